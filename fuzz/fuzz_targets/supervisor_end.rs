//! Invariant: whatever a listener writes, the supervisor's end makes of it what a plain model of supervisord does.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::supervisor_end::Input<'_>| input.check());
