//! Servers that answer calls differently from supervisord: the Go server, one that does not answer, one without the
//! interface.
//!
//! The Go server's answers are not recordings: they are written after the types that it encodes, with its spelling of
//! states.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use supervisor_events::ProcessState;
use supervisor_monitors::supervisord::{Fault, Misconfigured, Supervisord, Unknown, fault_of};
use tiny_http::{Response, Server};

use crate::support::wait_for;

const MEMBER: &str = "<member><name>NAME</name><value>VALUE</value></member>";

fn structure(members: &[(&str, &str, &str)]) -> String {
    let members = members
        .iter()
        .map(|(name, kind, value)| MEMBER.replace("NAME", name).replace("VALUE", &format!("<{kind}>{value}</{kind}>")));
    format!("<value><struct>{}</struct></value>", members.collect::<String>())
}

fn process(name: &str, state: (&str, &str), pid: &str) -> String {
    structure(&[
        ("name", "string", name),
        ("group", "string", "g"),
        ("description", "string", ""),
        ("start", "int", "1700000000"),
        ("stop", "int", "0"),
        ("now", "int", "1700000100"),
        ("state", "int", state.0),
        ("statename", "string", state.1),
        ("spawnerr", "string", ""),
        ("exitstatus", "int", "0"),
        ("logfile", "string", "/dev/null"),
        ("stdout_logfile", "string", "/dev/null"),
        ("stderr_logfile", "string", ""),
        ("pid", "int", pid),
    ])
}

fn answer(method: &str) -> String {
    let array = |values: &[String]| format!("<value><array><data>{}</data></array></value>", values.concat());
    let value = match method {
        "getState" => structure(&[("statecode", "int", "1"), ("statename", "string", "RUNNING")]),
        "getSupervisorVersion" => "<value><string>3.0</string></value>".into(),
        "getProcessInfo" => process("a", ("200", "Fatal"), "-1"),
        "getAllProcessInfo" => array(&[
            process("a", ("20", "Running"), "7"),
            process("b", ("0", "Stopped"), "0"),
            process("c", ("10", "Starting"), "8"),
        ]),
        "startProcess" | "stopProcess" => "<value><boolean>1</boolean></value>".into(),
        // The processes that it acted on, without their outcomes.
        "stopProcessGroup" => array(&[process("a", ("40", "Stopping"), "7")]),
        "stopAllProcesses" => array(&[structure(&[
            ("name", "string", "a"),
            ("group", "string", "g"),
            ("status", "int", "80"),
            ("description", "string", "OK"),
        ])]),
        _ => {
            let fault = structure(&[("faultCode", "int", "-32500"), ("faultString", "string", "no process named x")]);
            return format!("<methodResponse><fault>{fault}</fault></methodResponse>");
        }
    };
    format!("<methodResponse><params><param>{value}</param></params></methodResponse>")
}

fn go_server() -> Supervisord {
    let server = Server::http("127.0.0.1:0").unwrap();
    let url = format!("http://{}/RPC2", server.server_addr());
    thread::spawn(move || {
        for mut request in server.incoming_requests() {
            let mut call = String::new();
            request.as_reader().read_to_string(&mut call).unwrap();
            let (_, method) = call.split_once("supervisor.").unwrap();
            let answer = answer(method.split('<').next().unwrap());
            request.respond(Response::from_string(answer)).unwrap();
        }
    });
    Supervisord::at(&url, None)
}

#[test]
fn the_go_server_writes_states_in_other_letters_and_has_no_fault_codes() {
    let calls = go_server();
    assert_eq!(calls.state().unwrap().name(), "RUNNING");
    let processes = calls.processes().unwrap();
    let states: Vec<_> = processes.iter().map(|process| process.state).collect();
    assert_eq!(states, [ProcessState::Running, ProcessState::Stopped, ProcessState::Starting]);
    assert!(processes[0].runs() && processes[1].is_stopped() && !processes[2].is_down());
    assert!(processes[0].has_stdout && !processes[0].has_stderr);
    let failed = calls.process("g:a").unwrap();
    assert_eq!((failed.state, failed.pid, failed.is_down()), (ProcessState::Fatal, 0, true));
    calls.start("g:a").unwrap();
    for stopped in [calls.stop_group("g").unwrap(), calls.stop_all().unwrap()] {
        assert!(stopped.len() == 1 && stopped[0].is_done() && stopped[0].name == "a", "{stopped:?}");
    }
    let refused = calls.clear_logs("g:x").unwrap_err();
    assert_eq!(fault_of(&refused), Some(Fault::Other(-32500)));
    assert!(refused.to_string().contains("no process named x"), "{refused}");
}

#[test]
fn a_call_ends_at_its_deadline_and_may_have_been_done() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let calls = Supervisord::at(&url, None).with_deadline(Duration::from_millis(50));
    let error = calls.start("g:a").unwrap_err();
    assert!(error.is::<Unknown>() && error.to_string().contains("startProcess"), "{error}");
    // Asked again, once it answers.
    let (tell, told) = std::sync::mpsc::channel();
    go_server().ask_until_known(|calls| calls.start("g:a"), move |answer| tell.send(answer.is_ok()).unwrap()).unwrap();
    assert!(wait_for("the answer", || told.try_recv().ok()));
}

#[test]
fn where_nobody_listens_the_error_says_what_to_change() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, cure) in [
        (&format!("http://{free}")[..], "[inet_http_server]"),
        ("unix:///nowhere/socket", "[unix_http_server]"),
        ("ftp://host", "unix:// or http://"),
    ] {
        let error = Supervisord::at(url, None).processes().unwrap_err();
        assert!(error.is::<Misconfigured>() && error.to_string().contains(cure), "{error}");
    }
}
