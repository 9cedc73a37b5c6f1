//! Shows who runs where: the last state of every process of every supervisord, from what the forwarders published.
//! `--help` tells the settings.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use async_nats::jetstream::{self, consumer::DeliverPolicy, consumer::pull::OrderedConfig};
use clap::Parser;
use futures_util::StreamExt;
use serde_json::{Value, json};
use supervisor_monitors::Failure;
use supervisor_monitors::forward::broker::Broker;
use supervisor_monitors::forward::fleet::Fleet;
use supervisor_monitors::forward::settings::Connection;
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::run;
use supervisor_monitors::settings::seconds;
use tokio::runtime::Builder;

/// Shows who runs where: the last state of every process of every supervisord, from what the forwarders published.
#[derive(Parser)]
struct Settings {
    /// Print the table and end, instead of each change after it
    #[arg(long, env = "FLEET_ONCE")]
    once: bool,
    /// Lines of JSON instead of text
    #[arg(long, env = "FLEET_JSON")]
    json: bool,
    /// Seconds that the broker may take for an answer
    #[arg(long, env = "FLEET_DEADLINE", default_value = "5", value_parser = seconds)]
    deadline: Duration,
    #[command(flatten)]
    connection: Connection,
}

fn main() -> ExitCode {
    run::main(env!("CARGO_BIN_NAME"), |settings: Settings| {
        let broker = Broker::new(&settings.connection, "fleet", settings.deadline)?;
        Builder::new_current_thread().enable_all().build()?.block_on(follow(&broker, settings.once, settings.json))
    })
}

async fn follow(broker: &Broker, once: bool, json: bool) -> Result<(), Failure> {
    let mut reader = Reader { once, json, ..Default::default() };
    while let Err(error) = reader.read(broker).await {
        // Where nothing was ever read, or nobody reads what is printed, it is no use to try again.
        if reader.next == 0 && !reader.caught_up || error.is::<io::Error>() {
            return Err(error);
        }
        log(Level::Warning, "the stream cannot be read", json!({ "error": error.to_string() }));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

#[derive(Default)]
struct Reader {
    once: bool,
    json: bool,
    fleet: Fleet,
    /// Whether the table was printed.
    caught_up: bool,
    /// The number of the next message.
    next: u64,
}

impl Reader {
    /// Prints the table once all that is in the stream was read, and then what changes.
    async fn read(&mut self, broker: &Broker) -> Result<(), Failure> {
        let stream = jetstream::new(broker.connect().await?).get_stream(&broker.stream).await?;
        let state = &stream.cached_info().state;
        // A broker that has lost its stream begins anew.
        let start_sequence = if self.next > state.last_sequence + 1 { 1 } else { self.next.max(1) };
        if state.messages == 0 && !self.caught_up {
            self.show()?;
        }
        let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence };
        let config = OrderedConfig { deliver_policy, ..Default::default() };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        while !(self.once && self.caught_up) {
            let message = messages.next().await.ok_or("it has ended")??;
            let changes = self.fleet.apply(&message);
            let info = message.info()?;
            self.next = info.stream_sequence + 1;
            if self.caught_up {
                changes.iter().try_for_each(|change| say(change, self.json))?;
            } else if info.pending == 0 {
                self.show()?;
            }
        }
        Ok(())
    }

    fn show(&mut self) -> io::Result<()> {
        self.caught_up = true;
        if !self.json {
            show(["HOST", "SERVER", "PROCESS", "STATE", "PID", "SINCE"])?;
        }
        self.fleet.lines().try_for_each(|line| say(&line, self.json))
    }
}

fn say(line: &Value, json: bool) -> io::Result<()> {
    if json {
        return writeln!(io::stdout(), "{line}");
    }
    // Names may hold anything, but not break the table.
    let text = |key: &str| line[key].as_str().unwrap_or_default().escape_debug().to_string();
    let (process, state) = match text("kind").as_str() {
        "started" => ("*".into(), "(a new run)".into()),
        "dropped" => ("*".into(), format!("({} events were dropped)", line["count"])),
        _ => (
            format!("{}:{}", text("group"), text("process")),
            text("state") + if line["uncertain"] == true { "?" } else { "" },
        ),
    };
    let pid = line["pid"].as_u64().map_or_else(String::new, |pid| pid.to_string());
    show([&text("host"), &text("server"), &process, &state, &pid, &text("since")])
}

fn show([host, server, process, state, pid, since]: [&str; 6]) -> io::Result<()> {
    writeln!(io::stdout(), "{host:<20} {server:<14} {process:<32} {state:<10} {pid:>8} {since}")
}
