//! Under a real supervisord.

#![cfg(unix)]

mod calls;
mod commands;
mod crash_report;
mod critical_exit;
mod failure_monitor;
mod guards;
mod health;
mod log_collector;
mod losses;
mod maintenance;
mod messages;
mod metrics;
mod performance;
mod run_on_event;
mod signals;
mod start;
mod startup_monitor;
mod status_page;
mod trading_system;
mod upgrade;

#[path = "../support/mod.rs"]
mod support;
