//! The protocol: the crate against the recordings of real servers, against itself, and against random bytes. These tests
//! start no process and open no socket.

/// How many of `all` cases to take: under Miri, which is slow, only a `few`.
const fn cases(all: usize, few: usize) -> usize {
    if cfg!(miri) { few } else { all }
}

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
mod seeds;
mod small_world;
mod supervisor;
mod texts;

#[path = "../support/events.rs"]
mod events;
// The invariants that the fuzz targets check, here on likely inputs and on the kept seeds.
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
#[path = "../support/ground_truth.rs"]
mod ground_truth;
#[path = "../support/judgement.rs"]
mod judgement;
#[path = "../support/likely.rs"]
mod likely;
