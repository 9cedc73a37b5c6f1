//! Commands that a user has run at events: off the event's path, within a deadline, with nothing left behind.
//!
//! `line` is how a command is written, `environment` what it is told, `child` how one runs and ends, `queue` how many run
//! and wait. [`Hook`] is all of it together, with the log and alerts, for a monitor.

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
