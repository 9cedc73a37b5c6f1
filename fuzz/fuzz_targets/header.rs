//! Invariant: everything read from a header or a payload is in it, and an error has the right offset.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| supervisor_events_fuzz::header::check(bytes));
