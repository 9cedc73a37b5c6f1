//! What goes wrong around a listener that runs under a real supervisord: kills, full disks, closed streams, too little of
//! everything. docs/reliability.md has the table of all of them.
//!
//! What always holds: nothing is acknowledged that was not handled; nothing is handled twice without being marked; what
//! went wrong is said; and supervisord starts the listener again.
//!
//! What takes long is ignored; `repeat` runs all of it.

#![cfg(target_os = "linux")]

mod buffers;
mod figures;
mod kills;
mod page;
mod pools;
mod resources;
mod streams;
mod subjects;
mod supervisord;

#[path = "../support/mod.rs"]
mod support;
