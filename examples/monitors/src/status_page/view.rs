//! What `/status.json` says.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::json;

use super::Site;
use crate::http::{Request, Response, response};

/// The overview as JSON.
pub fn answer(site: &Arc<Site>, _: &Request) -> Response {
    let overview = site.overview();
    let processes = overview.processes.iter().map(|(name, status)| {
        let (group, name) = name.split_once(':').unwrap_or((name, name));
        json!({ "group": group, "name": name, "state": status.state, "pid": status.pid, "since": status.since })
    });
    let status = json!({ "may_act": site.may_act, "processes": processes.collect::<Vec<_>>() });
    response(StatusCode::OK, "application/json", status.to_string())
}
