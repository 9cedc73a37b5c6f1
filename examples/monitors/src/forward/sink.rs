//! Publishes events strictly one after the other: the next one only when the previous one was acknowledged. So no event
//! can overtake another, whatever is lost.

use std::thread;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::queue::Queue;
use crate::Failure;

/// The shortest first pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// A destination for events.
pub trait Sink: Send {
    /// Publishes what is in the queue until something fails, and returns the error. Sets `taken` once an event was
    /// accepted.
    fn session(&mut self, queue: &Queue, taken: &mut bool) -> Failure;
}

/// Publishes what is in the queue, and retries forever.
pub fn publish_all(mut sink: Box<dyn Sink>, queue: &Queue, longest_pause: Duration) -> ! {
    let mut waits = pauses(longest_pause);
    loop {
        let mut taken = false;
        let error = sink.session(queue, &mut taken);
        queue.away(&error);
        if taken {
            waits = pauses(longest_pause);
        }
        thread::sleep(waits.next().unwrap_or(longest_pause));
    }
}

/// The pauses between attempts. Each is twice as long as the last, with random jitter so that many machines do not
/// reconnect at the same moment. None is longer than `longest`.
pub fn pauses(longest: Duration) -> impl Iterator<Item = Duration> {
    let (first, longest) = (PAUSE.min(longest / 2), longest / 2);
    let doubled = ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_jitter();
    doubled.without_max_times().build()
}
