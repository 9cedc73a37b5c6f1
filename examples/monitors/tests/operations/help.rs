//! `--help` of each program.

use std::fs;
use std::process::Command;

use super::{MONITORS, path};
use crate::support::program;

/// The width of a usual terminal. A longer word, such as a default, has a line of its own.
const COLUMNS: usize = 100;

fn help(name: &str) -> String {
    let output = Command::new(program(name)).arg("--help").output().unwrap();
    assert!(output.status.success(), "{name}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_setting_is_explained_in_lines_that_fit_a_terminal() {
    let programs: Vec<_> = fs::read_dir(path("src/bin")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(programs.len() > MONITORS.len());
    for program in programs {
        let name = program.file_stem().unwrap().to_str().unwrap();
        let help = help(name);
        let mut settings = 0;
        let lines: Vec<_> = help.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_one_word = line.split_whitespace().count() == 1;
            assert!(line.chars().count() <= COLUMNS || is_one_word, "{name}: {line}");
            if line.starts_with("      --") {
                settings += 1;
                let text = lines[number + 1];
                assert!(
                    text.starts_with("          ") && text.trim().starts_with(|c: char| c.is_uppercase()),
                    "{name}: {line}\n{text}"
                );
                let mut rest = lines[number + 1..].iter().take_while(|line| line.starts_with("          "));
                assert!(rest.any(|line| line.contains("[env:")), "{name}: {line}");
            }
        }
        assert!(settings >= 5, "{name}: {settings} settings in {help}");
    }
}
