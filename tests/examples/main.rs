//! The examples as programs: the tools, and each monitor by itself under the simulator.

#[cfg(unix)]
mod check_listener;
mod decode;
mod demo;
#[cfg(unix)]
mod monitors;

#[path = "../support/mod.rs"]
mod support;
