//! Invariant: all readers of a line agree.
//!
//! For any bytes, taken for a header's line and for the payload of every type: what the short cut reads, the grammar
//! reads so too; and what the grammar of headers reads in the usual order, the reader for any order reads so too.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| supervisor_events::agreement::check(bytes));
