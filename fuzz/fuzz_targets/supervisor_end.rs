//! Invariant: whatever a listener writes, the supervisor's end judges it like a plain model of supervisord.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::supervisor_end::Input<'_>| input.check());
