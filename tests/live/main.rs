//! Under a real supervisord.

#![cfg(unix)]

mod firmware;
mod silence;
mod supervisord;

#[path = "../support/mod.rs"]
mod support;
