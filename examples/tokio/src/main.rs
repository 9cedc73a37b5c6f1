//! A listener on tokio: events, a time limit for their handling, a signal and periodic work in one `select!`.
//!
//! ```ini
//! [eventlistener:summary]
//! command = /usr/local/bin/tokio-listener
//! events = PROCESS_STATE
//! ```
//!
//! Counts what happens to the processes, and says so once a minute. `Host::next` can be dropped whenever another branch
//! is ready first: what it has read and written is kept in the host.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Arguments;
use std::io::{Write, stderr};
use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use supervisor_events::host::embedded_async::Host;
use supervisor_events::host::std_io::take_stdio;
use supervisor_events::{LengthUnit, Notification, Reply};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{interval, timeout};

/// supervisord gives this listener nothing else while it handles an event.
const LIMIT: Duration = Duration::from_secs(10);
const PERIOD: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (input, output) = take_stdio()?;
    // Both are pipes under supervisord. `tokio::io::stdin` would read in a thread that cannot be stopped.
    let input = FromTokio::new(Receiver::from_file(input)?);
    let output = FromTokio::new(Sender::from_file(output)?);
    let mut host = Host::new(input, output, vec![0; 64 * 1024], LengthUnit::CodePoints);

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut summary = interval(PERIOD);
    let mut counts = BTreeMap::new();
    loop {
        tokio::select! {
            notification = host.next() => {
                let Some(notification) = notification? else { break };
                match timeout(LIMIT, handle(&notification, &mut counts)).await {
                    Ok(()) => {}
                    Err(_) => say(format_args!("event {} took too long", notification.header.serial())),
                }
                host.reply(&Reply::OK)?;
            }
            // An event that has begun to arrive is read and answered first. Without READY no other one comes.
            _ = terminate.recv() => host.stop(),
            _ = interrupt.recv() => host.stop(),
            _ = summary.tick() => say(format_args!("so far: {counts:?}")),
        }
    }
    say(format_args!("in the end: {counts:?}"));
    Ok(())
}

/// Not `eprintln!`: it panics if standard error is full or closed, and nobody would be listening any more.
fn say(line: Arguments<'_>) {
    let _ = writeln!(stderr(), "{line}");
}

/// Whatever takes its time: a request, a query. Dropped where it waits if it takes too long.
async fn handle(notification: &Notification<'_>, counts: &mut BTreeMap<String, u64>) {
    *counts.entry(notification.header.eventname().to_owned()).or_default() += 1;
    tokio::task::yield_now().await;
}
