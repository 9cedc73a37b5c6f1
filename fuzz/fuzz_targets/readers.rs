//! Invariant: all readers of a line agree.
//!
//! For any bytes, read as a header line and as a payload of every type: if the short cut reads them, the grammar gives
//! the same result; if the grammar reads a header in the usual order, so does the reader for any order.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| supervisor_events::agreement::check(bytes));
