//! Under a real supervisord.

#![cfg(unix)]

mod differential;
mod firmware;
mod silence;
mod supervisord;

#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "what is made of inputs is for the tests of the protocol")]
mod fuzz;
#[path = "../support/judgement.rs"]
mod judgement;
#[path = "../support/likely.rs"]
mod likely;
#[path = "../support/mod.rs"]
mod support;
// What is shared with the tests of the protocol names it so.
use support::ground_truth;
