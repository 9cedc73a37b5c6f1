//! Runs a user's commands for events: without delaying the event, within a deadline, and leaving nothing behind.
//!
//! `line` parses a command, `environment` is what it is told, `child` runs it, and `queue` limits how many run and
//! wait. [`Hook`] combines them with the log and alerts, for a monitor.

mod child;
mod environment;
mod heard;
mod hook;
mod line;
mod memory;
mod output;
mod queue;
mod task;

pub use child::{End, Ended, Limits, Stream, run};
pub use environment::environment;
pub use hook::{Call, CommandSettings, EventSettings, Hook, Kind, TickSettings};
pub use line::{CommandLine, CommandLines};
pub use output::Lines;
pub use queue::{Job, Queue, WhenBusy};
