//! What the documentation says about the programs and the messages.

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// `docs/programs.md` gives their sizes.
#[test]
fn they_are_as_short_as_the_documentation_says() {
    let page = read("docs/programs.md");
    let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| [")?.split_once("](../")).collect();
    assert_eq!(rows.len(), 8);
    for (name, rest) in rows {
        let (path, rest) = rest.split_once(')').unwrap();
        let said: usize = rest.trim_end_matches(" |").rsplit(' ').next().unwrap().parse().unwrap();
        let text = read(path);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert_eq!(lines, said, "{name}");
    }
}

/// `examples/tokio` is a package of its own, so its program cannot be included in the guide, which the published crate has.
#[test]
fn the_guide_shows_the_example_on_tokio_as_it_is() {
    let program = read("examples/tokio/src/bin/minimal.rs");
    let shown: String = program.lines().map(|line| format!("//! {line}").trim_end().to_owned() + "\n").collect();
    assert!(read("src/guide/recipes.rs").contains(&format!("//! ```ignore\n{shown}//! ```\n")));
    let dependencies = read("examples/tokio/Cargo.toml");
    for line in ["embedded-io-adapters = ", "tokio = "] {
        let line = dependencies.lines().find(|dependency| dependency.starts_with(line)).unwrap();
        assert!(read("src/guide/recipes.rs").contains(&format!("//! {line}\n")), "{line}");
    }
}

/// A reader looks for the words of a message that the listener has printed.
#[test]
fn what_the_guide_quotes_is_what_the_crate_prints() {
    /// These are supervisord's.
    const SUPERVISORD: [&str; 5] = [
        "has entered the UNKNOWN state",
        "has entered the UNKNOWN state and will no longer receive events",
        "event buffer overflowed, discarding event",
        "exit status 0; not expected",
        "exit status 0; expected",
    ];
    let source = source(&root().join("src"));
    let guide = read("src/guide/troubleshooting.rs").replace("//! ", "").replace('\n', " ");
    let guide = guide.split_whitespace().collect::<Vec<_>>().join(" ");
    // Every other piece is between backticks. Short ones, and those with these signs, are settings and commands.
    let quoted = guide.split('`').skip(1).step_by(2).map(|text| text.trim_matches(['…', ' ']));
    let quoted: Vec<&str> = quoted.filter(|text| text.split(' ').count() >= 4 && !text.contains(['=', '|'])).collect();
    assert!(quoted.len() > 10, "{quoted:?}");
    for text in quoted {
        assert!(SUPERVISORD.contains(&text) || source.contains(text), "the crate does not print: {text}");
    }
}

/// All files of the crate but the guide. A text that is broken at the end of a line is put together again.
fn source(directory: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("guide") {
            all += &source(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).unwrap();
            all.extend(text.split("\\\n").map(|part| part.trim_start().to_owned()));
        }
    }
    all
}
