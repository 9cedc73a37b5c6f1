//! The hosts: all of them on the same cases, and the features that only one of them has.

mod faults;
mod simulator;
mod std_io;
mod table;

#[path = "../support/mod.rs"]
mod support;
