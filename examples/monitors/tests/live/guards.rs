//! `memory_guard` and `http_guard` under a real supervisord, together with superlance's memmon and httpok: each has its
//! own, similar processes.

use std::net::TcpListener;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::support::receiver::Collector;
use crate::support::supervisord::Supervisord;
use crate::support::{program, python, wait_for};

fn ours(name: &str, settings: &str, environment: &str) -> String {
    let program = program(name);
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:{name}]\ncommand = \"{program}\" {settings}\nenvironment = {environment}\nevents = TICK_5\n\
         priority = 13\nbuffer_size = 12\nstartsecs = 0\nautorestart = true\nstdout_logfile = NONE\n\
         stderr_logfile = %(here)s/{name}.err\n"
    )
}

fn theirs(name: &str, program: &str, arguments: &str) -> Option<String> {
    let program = python::programs()?.join(program).display().to_string().replace('%', "%%");
    Some(format!(
        "[eventlistener:{name}]\ncommand = \"{program}\" {arguments}\nevents = TICK_5\npriority = 20\n\
         buffer_size = 12\n\
         startsecs = 0\nautorestart = true\nstdout_logfile = NONE\nstderr_logfile = %(here)s/{name}.err\n"
    ))
}

/// How often a process was started.
fn starts(supervisord: &Supervisord, process: &str) -> usize {
    supervisord.log().matches(&format!("spawned: '{process}' with pid ")).count()
}

/// Uses this many MB, itself or in a child.
const HOLDER: &str = "import os, sys, time\n\
    if sys.argv[2] == 'child' and os.fork(): time.sleep(10000)\n\
    held = b'x' * (int(sys.argv[1]) << 20)\n\
    open(sys.argv[3], 'w').close()\n\
    while os.getppid() != 1: time.sleep(0.1)\n";

fn holder(name: &str, mb: u32, whose: &str) -> String {
    format!(
        "[program:{name}]\ncommand = python3 holder.py {mb} {whose} {name}.holds\ndirectory = %(here)s\nstartsecs = 0\n\
         stopasgroup = true\nkillasgroup = true\n"
    )
}

#[test]
fn the_same_processes_are_restarted_as_by_memmon() {
    let memmon = "-c -p big_theirs=60MB -p parent_theirs=60MB -p small_theirs=60MB -g pool_theirs=60MB";
    let Some(memmon) = theirs("memmon", "memmon", memmon) else { return };
    let limits = "--limits big_ours=60MB,parent_ours=60MB,small_ours=60MB,pool_ours:*=60MB \
                  --start-grace 0 --restarts 1000 --alert-timeout 60";
    let mut sections = memmon + &ours("memory_guard", limits, "");
    for whose in ["theirs", "ours"] {
        sections += &holder(&format!("big_{whose}"), 100, "own");
        sections += &holder(&format!("parent_{whose}"), 100, "child");
        sections += &holder(&format!("small_{whose}"), 1, "own");
        // It has no limit.
        sections += &holder(&format!("free_{whose}"), 100, "own");
        sections += &format!("[group:pool_{whose}]\nprograms = one_{whose},two_{whose}\n");
        sections += &holder(&format!("one_{whose}"), 100, "own");
        sections += &holder(&format!("two_{whose}"), 1, "child");
    }
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.write("holder.py", HOLDER);
    let expected = ["big", "parent", "one"];
    for whose in ["theirs", "ours"] {
        for name in expected {
            let name = format!("{name}_{whose}");
            wait_for(&format!("{name} to be restarted"), || (starts(&supervisord, &name) > 1).then_some(()));
        }
    }
    for whose in ["theirs", "ours"] {
        for name in ["small", "free", "two"] {
            // A process that could not find its script yet was restarted by supervisord itself.
            let log = supervisord.log();
            assert!(!log.contains(&format!("stopped: {name}_{whose} ")), "{name}_{whose}");
        }
    }
    // memmon's process ends with an exception if it is asked at that moment.
    assert!(supervisord.stop().success());
    assert!(!supervisord.log().contains("-> UNKNOWN"));
}

#[test]
fn restarts_are_limited_told_and_wait_for_a_young_process() {
    let alerts = Collector::start();
    let settings = "--group-limits pool=120MB --limits two=500MB --start-grace 1 --restarts 1 --alert-timeout 60";
    let sections = ours("memory_guard", settings, &format!("ALERT_URL=\"{}\"", alerts.url()))
        + "[group:pool]\nprograms = one,two\n"
        + &holder("one", 60, "own")
        + &holder("two", 90, "child");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.write("holder.py", HOLDER);
    // Together they use too much, and the larger one is restarted, once.
    let restarted = alerts.wait_for("MEMORY_RESTART", |alert| alert["event"] == "MEMORY_RESTART");
    assert_eq!((&restarted["process"], &restarted["group"]), (&"two".into(), &"pool".into()));
    let details = &restarted["details"];
    assert!(
        details["memory_mb"].as_f64().unwrap() > 90.0 && details["group_mb"].as_f64().unwrap() > 150.0,
        "{details}"
    );
    assert_eq!((&details["group_limit_mb"], &details["restarts"]), (&120.0.into(), &1.into()));
    let left = alerts.wait_for("the limit", |alert| alert["event"] == "MEMORY_RESTART_LIMIT");
    assert_eq!(
        (&left["status"], &left["severity"], &left["details"]["restarts"]),
        (&"firing".into(), &"CRITICAL".into(), &1.into())
    );
    assert_eq!(supervisord.log().matches("stopped: two ").count(), 1);
    assert!(!supervisord.log().contains("stopped: one "));
    // Without the other one, all is well.
    supervisord.ctl(&["stop", "pool:one"]);
    alerts.wait_for("the end", |alert| alert["event"] == "MEMORY_RESTART_LIMIT" && alert["status"] == "resolved");
    assert_eq!(supervisord.log().matches("stopped: two ").count(), 1);
    assert!(supervisord.stop().success());
}

#[test]
fn a_dry_run_says_what_it_would_restart() {
    let settings = "--limits big=60MB --start-grace 0 --dry-run true";
    let sections = ours("memory_guard", settings, "") + &holder("big", 100, "own");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.write("holder.py", HOLDER);
    supervisord.wait_for("memory_guard.err", r#""message":"alert: MEMORY_RESTART""#, 1);
    // Reported once, and nothing is done.
    supervisord.wait_for("supervisord.log", "memory_guard: event was processed", 4);
    assert_eq!(supervisord.file("memory_guard.err").matches("MEMORY_RESTART").count(), 1);
    assert!(supervisord.file("memory_guard.err").contains(r#""dry_run":true"#));
    assert!(!supervisord.log().contains("stopped: big "));
    assert!(supervisord.stop().success());
}

/// A process that was stopped for a restart is started, even if the guard is killed in between.
#[test]
fn a_guard_that_is_killed_leaves_no_process_stopped() {
    let settings = "--limits big=60MB --start-grace 0 --restarts 1 --state-dir %(here)s/state";
    // Its parent is slow, and uses nothing when it is running again.
    let big = "[program:big]\ncommand = sh big.sh\ndirectory = %(here)s\nstartsecs = 0\nstopwaitsecs = 60\n";
    let Some(mut supervisord) = Supervisord::start("s", &(ours("memory_guard", settings, "") + big)) else { return };
    supervisord.write("holder.py", HOLDER);
    supervisord.write(
        "big.sh",
        "trap 'kill $child; until [ -e go ]; do sleep 0.05; done; exit' TERM\n[ -e go ] && exec cat\n\
         python3 holder.py 100 own holds & child=$!\nwhile :; do wait; done\n",
    );
    wait_for("big to be stopping", || (supervisord.status("big") == "STOPPING").then_some(()));
    supervisord.ctl(&["signal", "KILL", "memory_guard"]);
    supervisord.wait_for("supervisord.log", "memory_guard: ACKNOWLEDGED -> READY", 2);
    supervisord.wait_for("memory_guard.err", "big:big was being restarted: finishing that", 1);
    supervisord.write("go", "");
    supervisord.wait_for("memory_guard.err", "big:big was restarted", 1);
    assert_eq!(supervisord.status("big"), "RUNNING");
    assert!(supervisord.stop().success());
}

/// Answers in some way, or not at all.
const SERVER: &str = "import http.server, sys, time\n\
    port, mode = int(sys.argv[1]), sys.argv[2]\n\
    class Handler(http.server.BaseHTTPRequestHandler):\n\
    \tdef do_GET(self):\n\
    \t\tif mode == 'hangs': time.sleep(10000)\n\
    \t\tbody = b'all is well' if mode != 'body' else b'error'\n\
    \t\tself.send_response(500 if mode == 'status' else 200)\n\
    \t\tself.send_header('Content-Length', str(len(body)))\n\
    \t\tself.end_headers()\n\
    \t\tself.wfile.write(body)\n\
    \tdef log_message(self, *arguments): pass\n\
    http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler).serve_forever()\n";

#[test]
fn the_same_processes_are_restarted_as_by_httpok() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let modes = ["well", "status", "hangs", "closed"];
    let (mut sections, mut endpoints) = (String::new(), Vec::new());
    for mode in modes {
        for whose in ["ours", "theirs"] {
            let port = free();
            let command = if mode == "closed" { "cat".into() } else { format!("python3 server.py {port} {mode}") };
            sections += &format!(
                "[program:{mode}_{whose}]\ncommand = {command}\ndirectory = %(here)s\n\
                 startsecs = 0\nautostart = false\n"
            );
            if whose == "ours" {
                endpoints.push(format!("{mode}=http://127.0.0.1:{port}/#status=200&process={mode}_ours"));
            } else {
                let arguments = format!("-t 2 -p {mode}_theirs http://127.0.0.1:{port}/");
                let Some(section) = theirs(&format!("httpok_{mode}"), "httpok", &arguments) else { return };
                sections += &section;
            }
        }
    }
    // Somebody stopped it: neither starts it.
    let (down, environment) = (free(), |endpoints: &[String]| format!("ENDPOINTS=\"{}\"", endpoints.join(",")));
    endpoints.push(format!("down=http://127.0.0.1:{down}/#process=down_ours"));
    sections += &theirs("httpok_down", "httpok", &format!("-t 2 -p down_theirs http://127.0.0.1:{down}/")).unwrap();
    for whose in ["ours", "theirs"] {
        sections += &format!("[program:down_{whose}]\ncommand = cat\nautostart = false\nstartsecs = 0\n");
    }
    sections += &ours("http_guard", "--start-grace 0 --restarts 1000 --deadline 2", &environment(&endpoints));
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.write("server.py", SERVER);
    let names = modes.iter().flat_map(|mode| ["ours", "theirs"].map(|whose| format!("{mode}_{whose}")));
    supervisord.ctl(&[vec!["start".to_owned()], names.collect()].concat());
    for whose in ["theirs", "ours"] {
        for mode in ["status", "hangs", "closed"] {
            let name = format!("{mode}_{whose}");
            wait_for(&format!("{name} to be restarted"), || {
                supervisord.log().contains(&format!("stopped: {name} ")).then_some(())
            });
            wait_for(&format!("{name} to run again"), || (starts(&supervisord, &name) > 1).then_some(()));
        }
    }
    for whose in ["theirs", "ours"] {
        assert_eq!(starts(&supervisord, &format!("down_{whose}")), 0);
        // A tick may have come before it was serving.
        let stops = |supervisord: &Supervisord| supervisord.log().matches(&format!("stopped: well_{whose} ")).count();
        let before = stops(&supervisord);
        assert!(before <= 1, "{whose}");
        let restarts = starts(&supervisord, &format!("status_{whose}"));
        wait_for("one more restart", || (starts(&supervisord, &format!("status_{whose}")) > restarts).then_some(()));
        assert_eq!(stops(&supervisord), before, "{whose}");
    }
    assert!(supervisord.stop().success());
}

#[test]
fn a_body_that_lacks_a_text_is_a_failure_after_as_many_checks_as_was_set() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let environment = format!("ENDPOINTS=\"web=http://127.0.0.1:{port}/#expect=all is well&process=web\"");
    let sections = ours("http_guard", "--start-grace 0 --failures 2 --restarts 1", &environment)
        + &format!("[program:web]\ncommand = python3 server.py {port} body\ndirectory = %(here)s\nstartsecs = 0\n");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.write("server.py", SERVER);
    supervisord.wait_for("http_guard.err", r#""message":"alert: CHECK_RESTART""#, 1);
    let said = supervisord.file("http_guard.err");
    let failures = said.matches("web does not answer as it should: ").count();
    assert!(failures == 2 && said.contains(r#""failed":2"#), "{said}");
    supervisord.wait_for("http_guard.err", "alert: CHECK_RESTART_LIMIT", 1);
    assert!(supervisord.stop().success());
}

#[test]
fn a_certificate_that_is_not_trusted_is_a_failure() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).unwrap();
    let serve = SERVER
        .replace(".serve_forever()", "")
        .replace("http.server.ThreadingHTTPServer", "server = http.server.ThreadingHTTPServer")
        + "import ssl\n\
           context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
           context.load_cert_chain('ca.pem', 'key.pem')\n\
           server.socket = context.wrap_socket(server.socket, server_side=True)\n\
           server.serve_forever()\n";
    let mut sections = String::new();
    for (name, trust) in [("trusted", ",ENDPOINT_CA=\"%(here)s/ca.pem\""), ("doubted", "")] {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint = format!("ENDPOINTS=\"web=https://localhost:{port}/#status=200&process={name}\"{trust}");
        let listener = ours("http_guard", "--start-grace 0 --failures 2", &endpoint);
        sections += &listener.replace("eventlistener:http_guard", &format!("eventlistener:{name}_guard"));
        sections += &format!(
            "[program:{name}]\ncommand = python3 server.py {port} well\n\
             directory = %(here)s\nstartsecs = 0\n"
        );
    }
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.write("ca.pem", &cert.pem());
    supervisord.write("key.pem", &signing_key.serialize_pem());
    supervisord.write("server.py", &serve);
    supervisord.wait_for("supervisord.log", "stopped: doubted ", 1);
    supervisord.wait_for("supervisord.log", "trusted_guard: event was processed", 3);
    assert!(!supervisord.log().contains("stopped: trusted "));
    assert!(supervisord.stop().success());
}
