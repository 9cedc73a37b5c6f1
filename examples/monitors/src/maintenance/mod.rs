//! Hourly and daily chores: reports, summaries, backups, and log rotation.

mod backup;
mod counts;
mod logs;
mod report;
mod summary;

use std::path::PathBuf;

use clap::Args;

pub use backup::back_up;
pub use counts::{Counts, count};
pub use logs::rotate;
pub use report::Sources;
pub use summary::{SummarySettings, due, summary};

use crate::settings::{List, number};

/// What is kept, where, and how much of it.
#[derive(Clone, Debug, Args)]
pub struct KeepSettings {
    /// Directory for the reports
    #[arg(long, env, default_value = "reports")]
    pub report_dir: PathBuf,
    /// Directory for backups of the files in --state-dir
    #[arg(long, env, default_value = "backup")]
    pub backup_dir: PathBuf,
    /// Other files to back up: paths, directories with everything in them, or patterns such as /var/lib/x/*.json,
    /// separated by commas
    #[arg(long, env, default_value = "")]
    pub backup_files: List<String>,
    /// How many backups to keep: at least 1
    #[arg(long, env, default_value = "24", value_parser = at_least_one)]
    pub keep_backups: u32,
    /// Logs to rotate that programs write themselves: paths or patterns, separated by commas
    #[arg(long, env, default_value = "")]
    pub rotate_logs: List<String>,
    /// The size in bytes at which the audit trail, or one of --rotate-logs, is rotated
    #[arg(long, env, default_value = "10000000", value_parser = number::<u64>)]
    pub rotate_at: u64,
    /// How many rotated files of each log, and how many reports to keep: at least 1
    #[arg(long, env, default_value = "24", value_parser = at_least_one)]
    pub keep: u32,
}

fn at_least_one(text: &str) -> Result<u32, String> {
    number::<u32>(text).map(|number| number.max(1))
}
