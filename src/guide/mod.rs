//! How to write, run and debug an event listener. Documentation only: none of it is part of a build.
//!
//! | page | answers |
//! |---|---|
//! | [`protocol`] | What do supervisord and a listener say to each other? What is in an event? What does `len` count? |
//! | [`handler`] | What may a handler do, and what should it not do? What do `?` and FAIL cause? |
//! | [`configuration`] | What belongs in the listener's section, and how large must `buffer_size` be? |
//! | [`recipes`] | How do I write to a file, restart a process, wait for a deadline, use tokio, replay a capture, test? |
//! | [`troubleshooting`] | It is RUNNING, and no events come. It is UNKNOWN. Events are lost. It restarts again and again. Why? |
//!
//! Other pages are Markdown files in the repository and in the package:
//!
//! * [Calls to supervisord][calls]: start, stop and signal processes, and read logs, from a listener.
//! * [Migrating] from superlance and from Python's childutils; [porting] a listener that reads the protocol by hand.
//! * [Ready-made listeners][listeners], and what is known about [other listeners][known].
//! * [Embedding]: which level of the crate to build on, where.
//! * [Architecture], for reading and changing the source; [performance].
//!
#![doc = include_str!("links.md")]

pub mod configuration;
pub mod handler;
pub mod protocol;
pub mod recipes;
pub mod troubleshooting;
