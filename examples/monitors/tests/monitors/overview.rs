//! `trading_monitor`: its page and metrics follow events and supervisord's list.

use super::fake_supervisord::FakeSupervisord;
use super::programs::{Driven, levels, state};
use crate::support::wait_for;
use tempfile::TempDir;

#[test]
fn the_status_page_shows_what_events_and_supervisord_tell() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let settings = ["--listen", "127.0.0.1:0"];
    let mut monitor = Driven::start_with("trading_monitor", directory.path(), &settings, &supervisord.environment());
    monitor.send("PROCESS_STATE_RUNNING", &state("<b>\"é\"&\\", "STARTING", "pid:77"));
    let url = monitor.lines()[0]["url"].as_str().unwrap().to_owned();
    let client = crate::support::client();
    let get = |path: &str| client.get(format!("{url}{path}")).call().unwrap().body_mut().read_to_string().unwrap();
    let shown = |name: &str| get("").contains(&format!("<bdi class=\"name\">{name}</bdi>"));
    assert!(shown("t:&lt;b&gt;&quot;é&quot;&amp;\\"), "{}", get(""));
    let of = r#"{server="fake",group="t",process="<b>\"é\"&\\"}"#;
    let up = format!("supervisor_process_up{of} ");
    let is_told = |line: &str| get("metrics").lines().any(|there| there == line);
    wait_for("the figures", || is_told(&format!("{up}1")).then_some(()));

    supervisord.set(&[("t", "<b>\"é\"&\\", "EXITED", 0), ("t", "other", "RUNNING", 5)]);
    let lines = monitor.send("TICK_60", "when:60");
    let differs = levels(&lines, "WARNING");
    assert!(differs.contains(&"t:<b>\"é\"&\\ is EXITED; events said RUNNING".into()), "{differs:?}");
    assert_eq!(levels(&lines, "INFO"), ["2 processes: 1 EXITED, 1 RUNNING"]);
    for line in [
        &format!("{up}0"),
        r#"supervisor_differences_total{server="fake"} 1"#,
        r#"supervisor_state_changes_total{server="fake"} 1"#,
        &format!("supervisor_process_restarts_total{of} 0"),
    ] {
        assert!(is_told(line), "{line}: {}", get("metrics"));
    }
    assert!(shown("t:other"), "{}", get(""));
    supervisord.set(&[("t", "other", "RUNNING", 5)]);
    assert_eq!(levels(&monitor.send("TICK_60", "when:120"), "WARNING"), [] as [&str; 0]);
    assert!(!shown("t:&lt;b&gt;&quot;é&quot;&amp;\\"), "{}", get(""));
    let status = |response: Result<ureq::http::Response<ureq::Body>, ureq::Error>| match response {
        Err(ureq::Error::StatusCode(status)) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(client.get(format!("{url}nothing")).call()), 404);
    assert_eq!(status(client.post(&url).send_empty()), 405);
    monitor.end();
}
