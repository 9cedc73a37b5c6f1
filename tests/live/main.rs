//! Tests with a real supervisord, or with its own classes.

#![cfg(unix)]

mod differential;
mod firmware;
mod silence;
mod supervisord;

#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "these tests use only its inputs")]
mod fuzz;
#[path = "../support/judgement.rs"]
mod judgement;
#[path = "../support/likely.rs"]
mod likely;
#[path = "../support/mod.rs"]
mod support;
// The files that are shared with the protocol tests expect it here.
use support::ground_truth;
