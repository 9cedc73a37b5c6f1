//! Invariant: what is read of a header or a payload is in it, where it says, and an error points at the place.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| supervisor_events_fuzz::header::check(bytes));
