//! What is known of all processes: what events and supervisord's own list make of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All that is known.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Overview {
    /// By `GROUP:NAME`.
    pub processes: BTreeMap<String, Status>,
    pub state_changes: u64,
    pub reconciliations: u64,
    /// How often supervisord's list said otherwise than its events.
    pub differences: u64,
}

/// How it is with a process.
#[derive(Clone, Serialize, Deserialize)]
pub struct Status {
    pub state: String,
    /// 0 where there is none.
    pub pid: u32,
    /// In seconds since 1970.
    pub since: i64,
}
