//! Invariant: two ends with bounded pipes between them continue until each event is answered.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::both_ends::Input| input.check());
