//! Invariant: whatever is called, in turn or out of it, `Listener`, `Session` and `Driver` do what a plain model
//! does.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::calls::Input| input.check());
