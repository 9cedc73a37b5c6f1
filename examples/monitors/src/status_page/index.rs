//! Renders the page on the server, with all processes in it, for browsers without scripts. The script replaces the
//! table with its own.

use std::fmt::Write;

use serde_json::Value;

use super::assets::INDEX;
use crate::printable;

/// How many events are shown without a script.
const EVENTS: usize = 30;

/// Renders the page from the data of `/status.json`.
pub fn page(status: &Value) -> String {
    let none = Vec::new();
    let processes = status["processes"].as_array().unwrap_or(&none);
    let events = status["events"].as_array().unwrap_or(&none);
    let now = status["now"].as_f64().unwrap_or_default();
    let (headline, kind) = headline(processes);
    let system = status["system"].as_str().unwrap_or("Status");
    let age = status["last_event"]["at"].as_f64().map(|at| format!("last event {} ago", duration(now - at)));
    fill(INDEX, |place| match place {
        "title" => escape(&format!("{headline} – {system}")),
        "system" => escape(system),
        "headline" => escape(&headline),
        "kind" => kind.into(),
        "host" => escape(status["host"].as_str().unwrap_or_default()),
        "age" => age.clone().unwrap_or_default(),
        "banners" => banner(status),
        "table" => table(processes, now),
        "events" => events.iter().take(EVENTS).map(event).collect(),
        "hidden" => if events.is_empty() { "hidden" } else { "" }.into(),
        _ => String::new(),
    })
}

/// Replaces each `{{NAME}}` in a template.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (place, after) = after.split_once("}}").unwrap_or((after, ""));
        filled.push_str(&value(place));
        rest = after;
    }
    filled + rest
}

/// From worst to best. The script has the same list.
const KINDS: [&str; 4] = ["failed", "changing", "stopped", "running"];

fn kind(process: &Value) -> &'static str {
    let exit = &process["last_exit"];
    match process["state"].as_str().unwrap_or_default() {
        "RUNNING" => "running",
        "STARTING" | "STOPPING" => "changing",
        "STOPPED" => "stopped",
        "EXITED" if exit["expected"].as_bool().unwrap_or(exit["status"].as_i64().unwrap_or_default() == 0) => "stopped",
        _ => "failed",
    }
}

fn headline(processes: &[Value]) -> (String, &'static str) {
    let worst = KINDS.into_iter().find(|worst| processes.iter().any(|process| kind(process) == *worst));
    let down = processes.iter().filter(|process| kind(process) != "running").count();
    let text = match (processes.len(), down) {
        (0, _) => "No processes".into(),
        (1, 0) => "The only process is running".into(),
        (total, 0) => format!("All {total} running"),
        (total, down) => format!("{down} of {total} not running"),
    };
    (text, worst.unwrap_or("running"))
}

fn banner(status: &Value) -> String {
    let supervisord = &status["supervisord"];
    if supervisord["up"] != false {
        return String::new();
    }
    let why = escape(supervisord["error"].as_str().unwrap_or("unknown"));
    format!("<p class=\"banner down\">supervisord cannot be called: {why}. The states are from its last events.</p>")
}

fn table(processes: &[Value], now: f64) -> String {
    let mut text = String::from(
        "<section class=\"board\" id=\"static\"><table><caption class=\"unseen\">Processes</caption><thead><tr>",
    );
    for column in ["State", "Process", "Uptime", "Restarts", "Last exit", "CPU", "Memory"] {
        let _ = write!(text, "<th scope=\"col\">{column}</th>");
    }
    text.push_str("</tr></thead>");
    for (class, is_failure) in [("failures", true), ("others", false)] {
        let _ = write!(text, "<tbody class=\"{class}\">");
        for process in processes.iter().filter(|process| (kind(process) == "failed") == is_failure) {
            row(&mut text, process, now);
        }
        text.push_str("</tbody>");
    }
    text + "</table></section>"
}

fn row(text: &mut String, process: &Value, now: f64) {
    let string = |key: &str| process[key].as_str().unwrap_or_default();
    let (group, name, state) = (string("group"), string("name"), string("state"));
    let name = if group == name { name.to_owned() } else { format!("{group}:{name}") };
    let since = process["since"].as_f64().filter(|since| *since > 0.0).map(|since| duration(now - since));
    let since = match (since, state) {
        (Some(since), "RUNNING") => since,
        (Some(since), _) => format!("for {since}"),
        (None, _) => "—".into(),
    };
    let why = match string("spawn_error") {
        error if !error.is_empty() && matches!(state, "FATAL" | "BACKOFF") => error,
        _ => process["last_exit"]["why"].as_str().unwrap_or_default(),
    };
    let cpu = process["cpu"].as_f64().map_or_else(String::new, |cpu| format!("{cpu:.1} %"));
    let memory = process["memory"].as_f64().map_or_else(String::new, |bytes| format!("{:.0} MiB", bytes / 1_048_576.0));
    let _ = write!(
        text,
        "<tr class=\"row\" data-kind=\"{}\"><td class=\"state\"><span class=\"badge\">{}</span></td>\
         <th scope=\"row\" class=\"process\"><bdi class=\"name\">{}</bdi></th><td class=\"up\">{since}</td>\
         <td class=\"restarts\">{}</td><td class=\"exit\"><span class=\"why\">{}</span></td>\
         <td class=\"cpu\">{cpu}</td><td class=\"memory\">{memory}</td></tr>",
        kind(process),
        escape(state),
        escape(&name),
        process["restarts"].as_u64().unwrap_or_default(),
        escape(why),
    );
}

fn event(event: &Value) -> String {
    let string = |key: &str| escape(event[key].as_str().unwrap_or_default());
    let at = jiff::Timestamp::from_second(event["at"].as_f64().unwrap_or_default() as i64).unwrap_or_default();
    let at = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S");
    let (name, from, to) = (string("process"), string("from"), string("to"));
    format!("<li><time>{at}</time><bdi class=\"name\">{name}</bdi><span class=\"what\">{from} → {to}</span></li>")
}

/// A duration in at most two units.
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        (..10, ..) => format!("{days} d {} h", hours % 24),
        _ => format!("{days} d"),
    }
}

/// Escapes text so that it cannot be interpreted as HTML, and makes control characters visible.
fn escape(text: &str) -> String {
    let text = printable::text(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_can_be_read_without_a_script() {
        let status = json!({
            "system": "<s>", "host": "h", "now": 1000.0, "last_event": { "at": 940.0 },
            "supervisord": { "up": false, "error": "a & b" },
            "processes": [
                { "group": "g", "name": "fine", "state": "RUNNING", "since": 400, "restarts": 2,
                  "memory": 2_097_152, "cpu": 1.25 },
                { "group": "g", "name": "<b>\"'\u{202e}", "state": "EXITED", "since": 0,
                  "last_exit": { "why": "exit code 3", "status": 3, "expected": false } },
                { "group": "job", "name": "job", "state": "EXITED", "since": 990,
                  "last_exit": { "why": "exit code 0", "expected": true } },
            ],
            "events": [{ "at": 900.0, "process": "<i>", "from": "RUNNING", "to": "EXITED" }],
        });
        let page = page(&status);
        assert!(page.contains("<title>2 of 3 not running – &lt;s&gt;</title>"), "{page}");
        assert!(
            page.contains("supervisord cannot be called: a &amp; b") && page.contains("last event 1 min ago"),
            "{page}"
        );
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
        let failed = place("<bdi class=\"name\">g:&lt;b&gt;&quot;&#39;\\u{202e}</bdi></th><td class=\"up\">—</td>");
        let fine =
            place("<bdi class=\"name\">g:fine</bdi></th><td class=\"up\">10 min</td><td class=\"restarts\">2</td>");
        assert!(
            failed < fine && page.contains("<td class=\"cpu\">1.2 %</td><td class=\"memory\">2 MiB</td>"),
            "{page}"
        );
        assert!(
            page.contains("data-kind=\"stopped\"") && page.contains("<bdi class=\"name\">&lt;i&gt;</bdi>"),
            "{page}"
        );
        assert!(!page.contains("{{") && !page.contains("<b>") && !page.contains("<i>"), "{page}");
    }

    #[test]
    fn without_processes_there_is_a_page_as_well() {
        assert!(page(&json!({})).contains("<title>No processes – Status</title>"));
    }
}
