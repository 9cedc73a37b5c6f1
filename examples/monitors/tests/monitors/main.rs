//! Each monitor on its own, under the simulator and under `check_listener`.

#![cfg(unix)]

mod alerts;
mod calls;
mod check_listener;
mod commands;
mod durability;
mod heartbeat;
mod listeners_start;
mod log_collector;
mod log_daemons;
mod mail;
mod maintenance;
mod maintenance_faults;
mod messages;
mod page;
mod page_access;
mod page_alerts;
mod page_metrics;
mod performance;
mod programs;
mod receivers;
mod run_on_event;
mod secrets;
mod start;

#[path = "../support/mod.rs"]
mod support;
