//! Invariant: chunking is invisible.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::runs::Cut<'_>| supervisor_events_fuzz::chunking::check(
    input
));
