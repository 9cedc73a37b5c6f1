//! What the monitors share. Each program under `src/bin/` contains only its own decisions.

#![allow(rustdoc::bare_urls, reason = "the documentation of a setting is its help")]

pub mod alerts;
pub mod busy;
pub mod collect;
pub mod command;
pub mod dependencies;
pub mod ending;
pub mod endpoints;
pub mod files;
pub mod flapping;
pub mod forward;
pub mod guard;
pub mod http;
pub mod incidents;
pub mod limits;
pub mod lock;
pub mod log;
pub mod lost;
pub mod machine;
pub mod maintenance;
pub mod message;
pub mod metrics;
pub mod names;
pub mod net;
pub mod printable;
pub mod report;
pub mod run;
pub mod secrets;
pub mod settings;
pub mod size;
pub mod state;
pub mod status_page;
pub mod supervisord;
pub mod sync;
pub mod trading;
pub mod trail;

use std::error::Error;

/// Why something failed, as text.
pub type Failure = Box<dyn Error + Send + Sync>;
