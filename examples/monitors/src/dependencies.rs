//! What has to run before what: `NAME=NEEDED+NEEDED`, where each of the names is a [`ProcessPattern`].

use std::str::FromStr;

use crate::names::ProcessPattern;
use crate::settings::Named;
use crate::supervisord::Process;

/// Processes, and what they need.
#[derive(Clone, Debug)]
pub struct Dependent {
    pub dependent: ProcessPattern,
    pub needs: Vec<ProcessPattern>,
}

impl FromStr for Dependent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Named { name, value } = text.parse()?;
        let needs = value.split('+').map(|need| need.trim().parse()).collect::<Result<_, _>>()?;
        Ok(Self { dependent: name.parse()?, needs })
    }
}

/// Whether all processes that are named run, and there is one at least.
pub fn run(processes: &[Process], named: &ProcessPattern) -> bool {
    let mut named = processes.iter().filter(|process| named.matches(&process.group, &process.name)).peekable();
    named.peek().is_some() && named.all(Process::runs)
}
