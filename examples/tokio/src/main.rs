//! A listener on tokio: events, a time limit for their handling, a signal and periodic work in one `select!`.
//!
//! ```ini
//! [eventlistener:summary]
//! command = /usr/local/bin/tokio-listener
//! events = PROCESS_STATE
//! ```
//!
//! Counts the events, and logs the counts once a minute. `Host::next` can be dropped whenever another branch is ready
//! first: the host keeps what was read and written.

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

/// While this listener handles an event, supervisord sends it no other.
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
            // An event that has begun to arrive is read and answered first. Without READY, no other event comes.
            _ = terminate.recv() => host.stop(),
            _ = interrupt.recv() => host.stop(),
            _ = summary.tick() => say(format_args!("so far: {counts:?}")),
        }
    }
    say(format_args!("in the end: {counts:?}"));
    Ok(())
}

/// Not `eprintln!`: it panics if standard error is full or closed, and that would end the listener.
fn say(line: Arguments<'_>) {
    let _ = writeln!(stderr(), "{line}");
}

/// Stands in for slow work, such as a request or a query. If it takes too long, it is dropped where it waits.
async fn handle(notification: &Notification<'_>, counts: &mut BTreeMap<String, u64>) {
    *counts.entry(notification.header.eventname().to_owned()).or_default() += 1;
    tokio::task::yield_now().await;
}
