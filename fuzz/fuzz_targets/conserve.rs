//! Invariant: what the machines tell, put together, is what they took: nothing is lost, and nothing is told twice.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::runs::Cut<'_>| supervisor_events_fuzz::conserve::check(
    input
));
