//! The examples as programs: the tools, the small ones, and each monitor by itself under the simulator.

#[cfg(unix)]
mod check_listener;
mod decode;
mod demo;
#[cfg(unix)]
mod monitors;
#[cfg(unix)]
mod programs;

#[path = "../support/mod.rs"]
mod support;
