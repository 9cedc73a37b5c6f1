//! Invariant: an event that is written is read as the same event, and no payload makes the reader panic.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::payload::Input<'_>| input.check());
