//! What the page can do if allowed, and that it does nothing otherwise; and the logs.

use std::path::Path;

use serde_json::{Value, json};
use ureq::http::Response;

use crate::browser::Browser;
use crate::site::{Site, group, hopeless, lasting};
use crate::support::{program, wait_for};

/// The status and the JSON of an answer, even of a refusal.
fn post(url: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().new_agent();
    let request = headers.iter().fold(agent.post(url), |request, (name, value)| request.header(*name, *value));
    let mut answer: Response<ureq::Body> = request.send("{}").unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

const PAGE: [(&str, &str); 2] = [("content-type", "application/json"), ("x-requested-with", "status-page")];

fn startup_monitor(settings: &str) -> String {
    let program = program("startup_monitor");
    format!(
        "[eventlistener:startup_monitor]\ncommand = \"{}\" --critical-processes db --trading-group '' {settings}\n\
         events = PROCESS_STATE\nbuffer_size = 100\nstartsecs = 0\nstdout_logfile = NONE\n\
         stderr_logfile = %(here)s/startup_monitor.err\n",
        program.to_str().unwrap().replace('%', "%%")
    )
}

#[test]
fn a_button_stops_starts_and_restarts_and_says_what_became_of_it() {
    let Some(browser) = Browser::start() else { return };
    let programs = [group("g", &["one", "two"]), hopeless("broken"), lasting("db"), lasting("app")];
    let programs = programs.concat() + &startup_monitor("--dependents app=db");
    let Some(site) = Site::start("act", &programs, "--allow-actions true") else { return };
    site.wait_for_state("two", "RUNNING");
    site.wait_for_state("broken", "FATAL");
    browser.look(1280, 800, "light");
    browser.open(&site.url);
    browser.wait_for_kind("two", "running");
    browser.mark("two", "two");
    browser.click("#two .stop");
    browser.wait_for_kind("two", "stopped");
    assert_eq!(site.supervisord.status("g:two"), "STOPPED");
    browser.wait_until("what became of it", "document.querySelector('#two .result').textContent === 'stopped'");
    assert_eq!(browser.run("return document.activeElement.closest('tr')?.id"), "two", "the focus is lost");
    browser.click("#two .start");
    browser.wait_for_kind("two", "running");
    // An error is shown beside the button.
    browser.mark("broken", "broken");
    browser.click("#broken .start");
    let result = "document.querySelector('#broken .result')";
    browser.wait_until("the error", &format!("{result}.dataset.how === 'bad'"));
    let why = browser.text("#broken .result");
    assert!(why.contains("NO_FILE") || why.contains("no such file") || why.contains("/nonexistent/broken"), "{why}");
    // Drastic actions need confirmation, and Cancel does nothing.
    let pid = site.supervisord.pid("one");
    browser.click("tr.part .restart");
    browser.wait_until("the question", "document.getElementById('question').open");
    assert!(browser.text("#asked").contains("2 processes of the group g"), "{}", browser.text("#asked"));
    browser.click("#question button");
    assert_eq!(site.supervisord.pid("one"), pid);
    browser.click("tr.part .restart");
    browser.click("#question .grave");
    browser.wait_until("what became of it", "document.querySelector('tr.part .result').textContent === '2 restarted'");
    assert_ne!(site.supervisord.pid("one"), pid);
    // What a person stops here is left alone, as after supervisorctl stop.
    browser.mark("app", "app");
    browser.click("#app .stop");
    browser.wait_for_kind("app", "stopped");
    browser.mark("db", "db");
    browser.click("#db .restart");
    browser.wait_until("the restart", "document.querySelector('#db .result').textContent === 'restarted'");
    site.supervisord.wait_for("startup_monitor.err", "app is left alone: it was stopped, but not by a monitor", 1);
    assert_eq!(site.supervisord.status("app"), "STOPPED");
    // Those that the filter shows.
    browser.type_into("#text", "g:");
    browser.wait_until("what is shown", "document.querySelector('.which').textContent === 'The 2 shown'");
    browser.click("#everything .stop");
    assert_eq!(browser.text("#asked"), "Stop the 2 processes that are shown: g:one, g:two?");
    browser.click("#question .grave");
    let result = "document.querySelector('#everything .result').textContent";
    browser.wait_until("the end of both", &format!("{result} === '2 stopped'"));
    assert_eq!(site.supervisord.status("db"), "RUNNING");
    browser.click("#everything .start");
    browser.click("#question .grave");
    browser.wait_until("their start", &format!("{result} === '2 started'"));
    browser
        .run("const text = document.getElementById('text'); text.value = ''; text.dispatchEvent(new Event('input'))");
    // Everything, except the page's own process.
    browser.click("#everything .stop");
    browser.click("#question .grave");
    browser.wait_until(
        "the end of all",
        "/^[0-9]+ stopped$/.test(document.querySelector('#everything .result').textContent)",
    );
    for (process, state) in [("g:one", "STOPPED"), ("startup_monitor", "STOPPED"), ("trading_monitor", "RUNNING")] {
        assert_eq!(site.supervisord.status(process), state, "{process}");
    }
    let (status, answer) = post(&format!("{}processes/trading_monitor/stop", site.url), &PAGE);
    assert!(status == 409 && answer["error"].as_str().unwrap().contains("supervisorctl"), "{status}: {answer}");
}

#[test]
fn nothing_is_done_for_another_page_or_where_it_is_not_allowed() {
    let Some(browser) = Browser::start() else { return };
    let Some(site) = Site::start("refuse", &lasting("one"), "") else { return };
    let Some(acting) = Site::start("act", &lasting("one"), "--allow-actions true") else { return };
    site.wait_for_state("one", "RUNNING");
    acting.wait_for_state("one", "RUNNING");
    browser.look(1280, 800, "light");
    browser.open(&site.url);
    browser.wait_for_kind("one", "running");
    assert_eq!(browser.run("return document.querySelectorAll('button.do').length"), 0);
    assert_eq!(browser.complaints(), [""; 0]);
    let (status, answer) = post(&format!("{}processes/one:one/stop", site.url), &PAGE);
    assert!(status == 403 && answer["error"].as_str().unwrap().contains("--allow-actions true"), "{status}: {answer}");
    // A foreign page in the same browser: neither its scripts nor its forms succeed.
    browser.run_with(
        "const url = arguments[0]; const body = '{}'; return Promise.allSettled([\
         fetch(url, { method: 'POST', body, mode: 'no-cors' }),\
         fetch(url, { method: 'POST', body, headers: { 'X-Requested-With': 'status-page' } })]).then(() => 1)",
        json!([format!("{}processes/one:one/stop", acting.url)]),
    );
    let url = format!("{}processes/one:one/stop", acting.url);
    for (headers, why) in [
        (&PAGE[..1], "X-Requested-With"),
        (&PAGE[1..], "Content-Type"),
        (&[PAGE[0], PAGE[1], ("origin", "http://evil.example")], "Origin"),
    ] {
        let (status, answer) = post(&url, headers);
        assert!(status == 403 && answer["error"].as_str().unwrap().contains(why), "{why}: {status}: {answer}");
    }
    assert_eq!(
        (site.supervisord.status("one"), acting.supervisord.status("one")),
        ("RUNNING".into(), "RUNNING".into())
    );
    let (status, answer) = post(&format!("{}processes/one:none/stop", acting.url), &PAGE);
    assert!(status == 409 && answer["error"].as_str().unwrap().contains("no such process"), "{status}: {answer}");
    assert_eq!(post(&url, &PAGE), (200, json!({ "id": 2, "message": "stopped" })));
    assert_eq!(post(&url, &PAGE), (200, json!({ "id": 3, "message": "nothing is running" })));
}

/// A program that copies what is appended to a file to its log.
fn writer(name: &str) -> String {
    format!(
        "[program:{name}]\ncommand = tail -n +1 -F %(here)s/{name}.in\nstartsecs = 0\nstderr_logfile = NONE\n\
         stdout_logfile = %(here)s/{name}.out\nstdout_logfile_maxbytes = 0\n"
    )
}

fn append(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_log_follows_what_is_written() {
    let Some(browser) = Browser::start() else { return };
    let Some(site) = Site::start("logs", &writer("talker"), "--allow-actions true") else { return };
    let input = site.supervisord.directory().join("talker.in");
    let lines: String = (0..5000).map(|line| format!("line {line} é€\n")).collect();
    append(&input, lines.as_bytes());
    site.supervisord.wait_for("talker.out", "line 4999", 1);
    site.wait_for_state("talker", "RUNNING");
    browser.look(1280, 900, "light");
    browser.open(&format!("{}#open=talker%3Atalker", site.url));
    browser.wait_until("its end", "document.querySelector('pre')?.textContent.includes('line 4999 é€\\n')");
    let log = || browser.text("pre");
    assert!(log().starts_with("line ") && !log().contains("line 1 "), "{}", &log()[..40]);
    let at_end =
        "const log = document.querySelector('pre'); return log.scrollHeight - log.scrollTop - log.clientHeight < 8";
    assert_eq!(browser.run(at_end), true);
    append(&input, b"another line \x1b[31mred\x1b[0m \x1b]0;title\x07<b>bold</b>\r\n");
    browser.wait_until(
        "the new line",
        "document.querySelector('pre').textContent.endsWith('another line red <b>bold</b>\\n')",
    );
    assert_eq!(browser.run(at_end), true, "it follows");
    assert_eq!(log().matches("another line").count(), 1);
    // A reader who has scrolled up stays there.
    browser.run("document.querySelector('pre').scrollTop = 100");
    append(&input, b"one more\n");
    browser.wait_until("the new line", "document.querySelector('pre').textContent.includes('one more')");
    assert_eq!(browser.run("return document.querySelector('pre').scrollTop"), 100);
    // Text that is not UTF-8 is shown as well.
    append(&input, b"bytes \xff\xfe end\n");
    browser.wait_until("the bytes", "document.querySelector('pre').textContent.includes('bytes \\ufffd\\ufffd end')");
    // New output does not destroy a selection of text.
    browser.run("getSelection().selectAllChildren(document.querySelector('pre'))");
    let selected = browser.run("return String(getSelection()).length").as_u64().unwrap();
    append(&input, b"the last one\n");
    browser.wait_until("the last line", "document.querySelector('pre').textContent.includes('the last one')");
    assert!(browser.run("return String(getSelection()).length").as_u64().unwrap() >= selected);
    browser.click("tr.details .clear-log");
    browser.wait_until("an empty log", "document.querySelector('pre').textContent === ''");
    append(&input, b"after that\n");
    browser.wait_until("the first line", "document.querySelector('pre').textContent === 'after that\\n'");
    wait_for("the file to be cleared", || (site.supervisord.file("talker.out") == "after that\n").then_some(()));
    assert_eq!(browser.complaints(), [""; 0]);
}
