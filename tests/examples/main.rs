//! The examples as programs: the tools, and the small ones.

#[cfg(unix)]
mod check_listener;
mod decode;
mod demo;
mod guide;
#[cfg(unix)]
mod programs;

#[path = "../support/mod.rs"]
mod support;
