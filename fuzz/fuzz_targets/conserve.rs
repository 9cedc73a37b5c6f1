//! Invariant: the output of the machines, concatenated, is their input: nothing is lost, and nothing comes twice.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: supervisor_events_fuzz::runs::Cut<'_>| supervisor_events_fuzz::conserve::check(
    input
));
