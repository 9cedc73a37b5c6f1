//! Each monitor on its own, under the simulator and under `check_listener`.

#![cfg(unix)]

mod alerts;
mod audit_trail;
mod calls;
mod check_listener;
mod commands;
mod durability;
mod endpoints;
mod fake_supervisord;
mod heartbeat;
mod hours;
mod leaks;
mod listeners_start;
mod log_collector;
mod log_daemons;
mod mail;
mod maintenance;
mod maintenance_faults;
mod messages;
mod overview;
mod page;
mod page_access;
mod page_alerts;
mod page_metrics;
mod performance;
mod pools;
mod programs;
mod reactions;
mod receivers;
mod run_on_event;
mod secrets;
mod settings;
mod start;
mod supervisord_calls;

#[path = "../support/mod.rs"]
mod support;
