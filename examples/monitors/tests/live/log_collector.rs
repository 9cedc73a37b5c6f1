//! `log_collector` under a real supervisord: it has exactly what processes wrote, however supervisord splits it.

use std::fmt::Write;

use crate::support::program;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::wait_for;
use serde_json::Value;

/// The listener, whose own log is among the events: it must not feed itself.
fn collector(name: &str, settings: &str) -> String {
    let program = program("log_collector");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:{name}]\ncommand = \"{program}\" {settings}\n\
         events = PROCESS_LOG,PROCESS_COMMUNICATION,PROCESS_STATE,TICK_5\npriority = 10\nbuffer_size = 100000\n\
         startsecs = 0\nautorestart = true\nstdout_logfile = NONE\nstderr_logfile = %(here)s/{name}.err\n\
         stderr_events_enabled = true\n"
    )
}

fn talker(name: &str) -> String {
    format!(
        "[program:{name}]\ncommand = sh {name}.sh\ndirectory = %(here)s\nstartsecs = 0\nautorestart = false\n\
         autostart = false\nstdout_events_enabled = true\nstderr_events_enabled = true\n\
         stdout_logfile = NONE\nstderr_logfile = NONE\n"
    )
}

#[test]
fn all_output_is_there_in_whole_lines() {
    let settings = "--log-to json:all.jsonl,text:{process}.log --state-dir state --unfinished-after 3600";
    let sections = collector("log_collector", settings) + &talker("flood") + &talker("slow") + &talker("odd")
        // With this, supervisord holds back up to 26 bytes, in case they begin a tag, and loses them when the process
        // ends.
        + &talker("tags") + "stdout_capture_maxbytes = 64KB\n";
    let Some(mut supervisord) = Supervisord::start("collecting", &sections) else { return };
    // More than supervisord reads at once, with three-byte characters: some reads end inside one.
    let mut flood = String::new();
    for number in 0..20_000 {
        writeln!(flood, "{number} \u{20ac}\u{20ac}\u{20ac}").unwrap();
    }
    supervisord.write("flood.txt", &flood);
    supervisord.write("flood.sh", "cat flood.txt\n");
    supervisord.write(
        "slow.sh",
        "for i in $(seq 50); do printf 'be'; printf 'err' >&2; sleep 0.01; printf \"gin $i \\342\"; sleep 0.01; \
         printf '\\202\\254 end\\n'; printf 'or\\n' >&2; done\n",
    );
    supervisord.write("odd.sh", "printf 'latin \\351\\n'; sleep 0.2; printf 'last words'; exit 3\n");
    supervisord.write("tags.sh", "printf '<!--XSUPERVISOR:BEGIN-->one\\ntwo<!--XSUPERVISOR:END-->'\n");
    supervisord.wait_for("supervisord.log", "log_collector: ACKNOWLEDGED -> READY", 1);
    // Its exit code says nothing: for supervisorctl, a process that ends at once has failed to start.
    supervisord.ctl(&["start", "flood", "slow", "odd", "tags"]);
    for name in ["flood", "slow", "odd", "tags"] {
        supervisord.wait_for("supervisord.log", &format!("exited: {name} "), 1);
    }
    let of = |process: &str, channel: &str| {
        let text = supervisord.file("all.jsonl");
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let records = records.filter(|record| record["process"] == process && record["channel"] == channel);
        records.collect::<Vec<_>>()
    };
    let lines = |process: &str, channel: &str| {
        let records = of(process, channel);
        records.iter().map(|record| record["line"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    wait_for("the last words", || lines("odd", "stdout").contains(&"last words".into()).then_some(()));
    wait_for("the flood", || (of("flood", "stdout").len() >= 20_000).then_some(()));
    wait_for("the slow one", || (of("slow", "stderr").len() >= 50).then_some(()));
    assert_eq!(lines("flood", "stdout"), flood.lines().collect::<Vec<_>>());
    let expected: Vec<_> = (1..=50).map(|number| format!("begin {number} \u{20ac} end")).collect();
    assert_eq!(lines("slow", "stdout"), expected);
    assert_eq!(lines("slow", "stderr"), vec!["error"; 50]);
    let odd = of("odd", "stdout");
    let latin = odd.iter().find(|record| record["line"] == "latin \u{fffd}").unwrap();
    assert_eq!(latin["undecodable"], true);
    wait_for("the message", || (of("tags", "stdout").len() >= 2).then_some(()));
    let message: Vec<_> =
        of("tags", "stdout").into_iter().filter(|record| record["source"] == "communication").collect();
    assert!(message.len() == 2 && message[0]["line"] == "one" && message[1]["line"] == "two", "{message:?}");
    let last = odd.iter().find(|record| record["line"] == "last words").unwrap();
    assert_eq!(last["unfinished"], true);
    assert!(of("flood", "stdout").iter().all(|record| record.get("undecodable").is_none()));
    assert_eq!(supervisord.file("flood.log").lines().count(), 20_000);

    // A line begun by one process of the collector is finished by the next.
    supervisord.write("odd.sh", "printf 'before '; until [ -e go ]; do sleep 0.05; done; echo after\n");
    supervisord.ctl(&["start", "odd"]);
    wait_for("the beginning", || {
        let state = ["0", "1"].map(|turn| supervisord.file(&format!("state/log_collector.{turn}.json"))).concat();
        // "before ", in base64.
        state.contains("YmVmb3JlIA==").then_some(())
    });
    let log = "log_collector.err";
    supervisord.ctl(&["signal", "KILL", "log_collector"]);
    supervisord.wait_for("supervisord.log", "log_collector: ACKNOWLEDGED -> READY", 2);
    supervisord.write("go", "");
    wait_for("the end", || lines("odd", "stdout").contains(&"before after".into()).then_some(()));
    let said = supervisord.file(log);
    assert!(said.lines().count() <= 1, "{said}");
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
