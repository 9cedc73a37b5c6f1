//! Under a real supervisord.

#![cfg(unix)]

mod failure_monitor;
mod start;
mod startup_monitor;
mod trading_system;

#[path = "../support/mod.rs"]
mod support;
