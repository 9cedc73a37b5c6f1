//! The sections of `conf.d`: complete, and the same wherever they are shown.

use std::collections::{BTreeMap, BTreeSet};

use super::{MONITORS, read};

type Section = BTreeMap<String, String>;

fn snippet(monitor: &str) -> String {
    read(&format!("conf.d/{monitor}.conf"))
}

/// The keys and values of a section. A value continues in indented lines.
fn section(text: &str, name: &str) -> Section {
    let head = format!("[eventlistener:{name}]");
    let lines = text.lines().skip_while(|line| *line != head).skip(1).take_while(|line| !line.starts_with('['));
    let mut section = Section::new();
    let mut last = String::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with(';')) {
        match line.split_once(" = ").filter(|_| !line.starts_with(' ')) {
            Some((key, value)) => {
                last = key.into();
                section.insert(last.clone(), value.into());
            }
            None if line.starts_with(' ') => section.get_mut(&last).unwrap().push_str(line.trim()),
            None => last = line.trim_end_matches(" =").into(),
        }
        section.entry(last.clone()).or_default();
    }
    assert!(!section.is_empty(), "{head}");
    section
}

/// The first block of this kind.
fn block<'a>(text: &'a str, kind: &str) -> &'a str {
    let begin = text.find(&format!("```{kind}\n")).unwrap() + "```\n".len() + kind.len();
    text[begin..].split("```").next().unwrap()
}

#[test]
fn each_has_what_the_traps_ask_for() {
    let mut priorities = BTreeSet::new();
    for monitor in MONITORS {
        let section = section(&snippet(monitor), monitor);
        let value = |key: &str| section.get(key).unwrap_or_else(|| panic!("{monitor} without {key}")).as_str();
        assert_eq!(value("command"), format!("/usr/local/bin/{monitor}"));
        for (key, expected) in [("autorestart", "true"), ("stdout_logfile", "NONE"), ("user", "monitors")] {
            assert_eq!(value(key), expected, "{key} of {monitor}");
        }
        assert!(value("stderr_logfile").ends_with(".err") && value("stderr_logfile_maxbytes") == "10MB", "{monitor}");
        assert_ne!(value("buffer_size").parse::<u32>().unwrap(), 10, "{monitor}");
        assert!(priorities.insert(value("priority").parse::<i32>().unwrap()), "{monitor} shares a priority");
    }
}

/// `supervisord.conf` has the same listeners, with its own paths.
#[test]
fn the_example_is_set_up_alike() {
    let example = read("supervisord.conf");
    for monitor in MONITORS.into_iter().filter(|monitor| *monitor != "forward_monitor") {
        let (ours, theirs) = (section(&snippet(monitor), monitor), section(&example, monitor));
        for key in ["events", "numprocs", "process_name", "priority", "buffer_size", "autorestart", "stdout_logfile"] {
            assert_eq!(ours.get(key), theirs.get(key), "{key} of {monitor}");
        }
    }
}

#[test]
fn each_program_and_the_readme_show_them_as_they_are() {
    let mut all = vec![read("conf.d/monitors.conf")];
    for monitor in MONITORS {
        let snippet = snippet(monitor);
        let head = read(&format!("src/bin/{monitor}.rs"));
        let head: Vec<_> = head.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let head = head.iter().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect::<String>();
        assert_eq!(block(&head, "ini"), &snippet[snippet.find("[eventlistener").unwrap()..], "{monitor}");
        all.push(snippet);
    }
    assert_eq!(block(&read("README.md"), "ini"), all.join("\n"));
}
