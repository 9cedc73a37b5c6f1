//! Inputs as supervisord sends them, and odd ones that it could send.
//!
//! Some texts of the protocol have two readings: `is_ambiguous` finds them. They are left out.

use crate::fuzz::ends::Sent;
use crate::fuzz::payload::{FIELDS, Parts, concrete_types};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use supervisor_events::{EventType, LengthUnit};

fn concat(fragments: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec(fragments, 0..6).prop_map(|fragments| fragments.concat())
}

pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        vec(any::<u8>(), 0..24),
        select(vec![
            &b"\0"[..],
            b"\r\n",
            b"\n",
            b" ",
            b"\xff\xe2\x82",
            b" groupname:x pid:1\n",
            b"processname:p groupname:g from_state:RUNNING",
            b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3\nabc",
            b"RESULT 2\nOKREADY\n",
            "é€😀".as_bytes(),
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    vec(fragment, 0..5).prop_map(|fragments| fragments.concat())
}

pub fn event_type() -> impl Strategy<Value = EventType<'static>> {
    select(concrete_types().collect::<Vec<_>>())
}

fn processname() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        "(?s).{0,6}",
        "[ :\n\r\0a]{1,3}",
        select(vec![
            "é日😀\u{a0}",
            "groupname:",
            " groupname:",
            " groupname",
            " groupname:x from_state:RUNNING pid:1",
            " pid:7",
            " channel:stdout",
            " from_state:STOPPED",
            "processname:",
        ])
        .prop_map(str::to_owned),
    ];
    concat(fragment)
}

/// supervisord refuses a space, a colon and a slash here.
fn groupname() -> impl Strategy<Value = String> {
    let likely = select(vec!["", "g", "pid", "groupname", "grüppe😀", "one\ntwo"]).prop_map(str::to_owned);
    prop_oneof!["[^ :/]{0,8}", likely]
}

/// A state is a word.
fn from_state() -> impl Strategy<Value = String> {
    let known = ["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN", "pid:7"];
    prop_oneof![select(known.to_vec()).prop_map(str::to_owned), "[^ \r\n]{1,8}"]
}

/// Tokens without a field of their own.
fn extra() -> impl Strategy<Value = String> {
    let key = prop_oneof!["[^ :\r\n]{1,6}", select(vec!["exitstatus", "pids", "Pid"]).prop_map(str::to_owned)];
    let key = key.prop_filter("the key has a field", move |key| !FIELDS.contains(&key.as_str()));
    let value = prop_oneof!["[^ \r\n]{0,6}", select(vec!["groupname:x", "pid:1", ":"]).prop_map(str::to_owned)];
    vec((key, value).prop_map(|(key, value)| format!("{key}:{value}")), 0..4).prop_map(|tokens| tokens.join(" "))
}

/// The rest of a line: anything but its end.
fn remote_type() -> impl Strategy<Value = String> {
    concat(prop_oneof![".{0,6}", "[ :\r\0]{1,3}", Just("type:".to_owned())])
}

pub fn parts() -> impl Strategy<Value = Parts> {
    let numbers = (option::of(any::<u32>()), option::of(any::<bool>()), option::of(any::<u32>()), any::<u64>());
    let texts = (from_state(), remote_type(), bytes(), extra());
    let names = (event_type(), processname(), groupname());
    let parts = (names, texts, numbers).prop_map(|((event_type, processname, groupname), texts, numbers)| {
        let ((from_state, remote_type, data, extra), (tries, expected, pid, when)) = (texts, numbers);
        Parts { event_type, processname, groupname, from_state, tries, expected, pid, remote_type, data, when, extra }
    });
    parts.prop_filter("ambiguous", |parts| !parts.is_ambiguous())
}

fn server() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        "(?s).{0,6}",
        "[ \n:a]{1,3}",
        select(vec![
            "trading host:9001",
            "süp 日本😀",
            "ver:",
            " server:y ver:2.0",
            " serial:99",
            " pool:x poolserial:7",
            " eventname:E",
            " len:3",
            "x serial:1 pool:x poolserial:2 eventname:E len:3",
        ])
        .prop_map(str::to_owned),
    ];
    concat(fragment).prop_filter("ambiguous", |server| !Sent::is_ambiguous(server))
}

/// supervisord refuses a colon, a slash and inner spaces here.
fn pool() -> impl Strategy<Value = String> {
    prop_oneof![" {0,2}[^ :/\n]{0,8} {0,2}", select(vec!["listener", "serial", "nbsp\u{a0}x"]).prop_map(str::to_owned)]
}

/// One word.
fn eventname() -> impl Strategy<Value = String> {
    prop_oneof![event_type().prop_map(|kind| kind.name().to_owned()), "[^ \n]{1,12}"]
}

/// Code points can be counted only in text, bytes in anything.
fn payload(unit: LengthUnit, most: usize) -> BoxedStrategy<Vec<u8>> {
    let any = prop_oneof![bytes(), vec(any::<u8>(), 0..most)];
    match unit {
        LengthUnit::Bytes => any.boxed(),
        LengthUnit::CodePoints => {
            let text = any.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let wide = vec(select(vec!['a', 'é', '日', '😀']), 0..most / 4).prop_map(String::from_iter);
            prop_oneof![text, "(?s).{0,10}", wide].prop_map(String::into_bytes).boxed()
        }
    }
}

pub fn sent(unit: LengthUnit, most: usize) -> impl Strategy<Value = Sent> {
    (server(), pool(), eventname(), any::<[u64; 2]>(), payload(unit, most)).prop_map(
        |(server, pool, eventname, numbers, payload)| Sent::new([&server, &pool, &eventname], numbers, &payload),
    )
}
