//! The protocol: the crate against the recordings of real servers, against itself, and against random bytes. These tests
//! start no process and open no socket.

mod audit;
mod capture;
mod chunking;
mod conformance;
mod header;
mod listener;
mod owned;
mod payload;
mod pool;
mod round_trip;
mod supervisor;

#[path = "../support/events.rs"]
mod events;
#[path = "../support/ground_truth.rs"]
mod ground_truth;
#[path = "../../fuzz/src/runs.rs"]
mod runs;
