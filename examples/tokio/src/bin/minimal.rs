//! The smallest listener on tokio: names each event, answers it, ends at Ctrl-C or SIGTERM.

use std::io::Write;
use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use supervisor_events::host::embedded_async::Host;
use supervisor_events::host::std_io::take_stdio;
use supervisor_events::{LengthUnit, Reply};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (input, output) = take_stdio()?;
    let (input, output) = (Receiver::from_file(input)?, Sender::from_file(output)?);
    let (input, output) = (FromTokio::new(input), FromTokio::new(output));
    let mut host = Host::new(input, output, vec![0; 64 * 1024], LengthUnit::CodePoints);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            event = host.next() => match event? {
                Some(event) => {
                    // The event borrows from the host until it is answered.
                    writeln!(std::io::stderr(), "{}", event.header.eventname())?;
                    host.reply(&Reply::OK)?;
                }
                None => return Ok(()),
            },
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    // An event that has begun to arrive is answered, if the rest of it arrives.
    host.stop();
    while let Ok(Some(_event)) = timeout(Duration::from_secs(1), host.next()).await? {
        host.reply(&Reply::OK)?;
    }
    Ok(())
}
