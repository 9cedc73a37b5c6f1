//! The hosts: each against the same cases, and what only one of them has.

mod std_io;
mod table;

#[path = "../support/mod.rs"]
mod support;
