//! The page itself.

use std::fmt::Write;

use super::overview::Overview;

/// The page, as HTML.
pub fn index(overview: &Overview) -> String {
    let mut rows = String::new();
    for (name, status) in &overview.processes {
        let since = jiff::Timestamp::from_millisecond(status.since).unwrap_or_default();
        let (state, pid) = (escape(&status.state), status.pid);
        let _ = writeln!(rows, "<tr><td>{}<td>{state}<td>{pid}<td>{since:.0}", escape(name));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\n\
         <title>Trading system</title>\n<h1>Trading system</h1>\n\
         <table><tr><th>process<th>state<th>pid<th>since\n{rows}</table>\n\
         <p>{} state changes, {} reconciliations, {} differences.</html>\n",
        overview.state_changes, overview.reconciliations, overview.differences,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
