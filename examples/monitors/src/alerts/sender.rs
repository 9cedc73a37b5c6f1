//! The threads that empty the queue: one delivers alerts, the other syncs the file.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Severity;
use super::counts::{Counts, Tally};
use super::evidence::Evidence;
use super::queue::Queue;
use super::receiver::{Receiver, Undelivered};
use crate::log::{Level, log, now};

/// The pause after the first failure. Each further pause is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Starts the threads, with small stacks: every monitor has them.
///
/// `failing` is set while the last attempt has failed.
pub fn start(
    queue: &Arc<Queue>,
    receiver: &Arc<Receiver>,
    failing: &Arc<AtomicBool>,
    tally: &Arc<Tally>,
) -> io::Result<()> {
    let (to_send, receiver, failing, tally) =
        (Arc::clone(queue), Arc::clone(receiver), Arc::clone(failing), Arc::clone(tally));
    let builder = thread::Builder::new().name("alerts".into()).stack_size(512 << 10);
    builder.spawn(move || {
        deliver(&to_send, &receiver, &failing, &tally);
        to_send.abandon();
    })?;
    if queue.is_on_disk() {
        let to_sync = Arc::clone(queue);
        let builder = thread::Builder::new().name("alerts-sync".into()).stack_size(64 << 10);
        if let Err(error) = builder.spawn(move || sync(&to_sync)) {
            // Alerts survive this process anyway, and the system eventually writes them to disk.
            log(
                Level::Warning,
                format!("alerts are not synced, because no thread could be started: {error}"),
                json!({}),
            );
        }
    }
    Ok(())
}

fn deliver(queue: &Queue, receiver: &Receiver, failing: &AtomicBool, tally: &Tally) {
    let mut pause = PAUSE;
    let mut evidence = Evidence::new();
    // An alert is completed once, not for each attempt.
    let mut at_hand = None;
    while let Some((number, alert)) = queue.next() {
        let alert = match at_hand.take() {
            Some((known, completed)) if known == number => completed,
            _ => evidence.complete(alert),
        };
        match receiver.deliver(&alert) {
            Ok(()) => {
                queue.taken(number);
                let waiting = queue.waiting();
                tally.note(|counts| *counts = Counts { sent: counts.sent + 1, waiting, ..*counts });
                if failing.swap(false, Ordering::Relaxed) {
                    log(Level::Info, "alerts are delivered again", json!({ "waiting": waiting }));
                }
                pause = PAUSE;
                report_dropped(queue, &alert, tally);
            }
            Err(Undelivered::ForGood(why)) => {
                let message = format!("Failed to send alert, and it is not sent again: {why}");
                log(Level::Error, message, json!({ "alert": readable(&alert) }));
                queue.taken(number);
                let waiting = queue.waiting();
                tally.note(|counts| *counts = Counts { failed: counts.failed + 1, waiting, ..*counts });
            }
            Err(Undelivered::ForNow(why)) => {
                tally.note(|counts| counts.waiting = queue.waiting());
                // Logged once, not for each attempt: a receiver may be down for a night.
                if !failing.swap(true, Ordering::Relaxed) {
                    let message = format!("Failed to send alert: {why}");
                    log(Level::Error, message, json!({ "alert": readable(&alert), "waiting": queue.waiting() }));
                }
                at_hand = Some((number, alert));
                if !queue.pause(pause) {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Queues an alert about dropped alerts, with the fields of the one that was just delivered.
fn report_dropped(queue: &Queue, delivered: &[u8], tally: &Tally) {
    let dropped = queue.take_dropped();
    if dropped == 0 {
        return;
    }
    tally.note(|counts| counts.failed += dropped);
    let mut alert = readable(delivered);
    alert["timestamp"] = now().into();
    alert["severity"] = json!(Severity::High);
    alert["event"] = "ALERTS_DROPPED".into();
    alert["details"] = json!({ "dropped": dropped, "why": "too many were waiting while the receiver was down" });
    let name = |field: &str| alert[field].as_str().unwrap_or_default().to_owned();
    let (key, incident) = (name("key"), format!("{}/{}/ALERTS_DROPPED", name("host"), name("server")));
    (alert["key"], alert["incident"]) = (format!("{key}/dropped").into(), incident.into());
    (alert["process"], alert["group"]) = (Value::Null, Value::Null);
    (alert["status"], alert["actions"]) = (Value::Null, json!([]));
    alert.as_object_mut().map(|fields| fields.shift_remove("process_info"));
    queue.push(alert.to_string().into_bytes());
}

fn sync(queue: &Queue) {
    let mut failing = false;
    while let Some(file) = queue.next_to_sync() {
        let synced = file.and_then(|file| file.sync_data());
        if let (Err(error), false) = (&synced, failing) {
            log(Level::Error, format!("alerts may not survive a power failure: {error}"), json!({}));
        }
        failing = synced.is_err();
    }
}

/// An alert for the log.
pub fn readable(alert: &[u8]) -> Value {
    serde_json::from_slice(alert).unwrap_or_else(|_| String::from_utf8_lossy(alert).into())
}
