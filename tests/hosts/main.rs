//! The hosts: all of them on the same cases, and the features that only one of them has.

mod driver;
mod faults;
// In Miri, the end of a pipe does not wake its reader.
#[cfg(not(miri))]
mod simulator;
mod std_io;
// Miri starts no process.
#[cfg(all(unix, not(miri)))]
mod stdio;
mod table;

#[path = "../support/mod.rs"]
mod support;
