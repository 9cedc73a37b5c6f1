//! Where events go: one after the other, the next one when the one before was acknowledged. So none can overtake another,
//! whatever is lost on the way.

use std::thread;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::queue::Queue;
use crate::Failure;

/// The first pause between two attempts, at least.
const PAUSE: Duration = Duration::from_millis(100);

/// Who takes events.
pub trait Sink: Send {
    /// Publishes what is in the queue for as long as all goes well; returns why it does not any longer. `taken` is set when
    /// an event was taken.
    fn session(&mut self, queue: &Queue, taken: &mut bool) -> Failure;
}

/// Publishes what is in the queue, always.
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

/// The pauses between attempts: doubled each time, and by chance up to twice as long, so that many machines do not come back
/// at the same moment. None is longer than `longest`.
pub fn pauses(longest: Duration) -> impl Iterator<Item = Duration> {
    let (first, longest) = (PAUSE.min(longest / 2), longest / 2);
    let doubled = ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_jitter();
    doubled.without_max_times().build()
}
