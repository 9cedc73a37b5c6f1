//! Invariant: `Listener`, `Session` and `Driver` behave like a plain model, whatever is called, in turn or out of turn.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::calls::Input| input.check());
