//! The heartbeat: supervisord's TICK_5. If it stops, the timer interrupt asserts the kill line, whatever the rest of
//! the firmware is doing.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::{board, kill_line};

/// How long the heartbeat may be missing. By default, two beats may be late or lost.
const SECONDS: u32 = match option_env!("KILL_SWITCH_HEARTBEAT_SECONDS") {
    None => 12,
    Some(text) => match u32::from_str_radix(text, 10) {
        Ok(seconds @ 6..=3600) => seconds,
        _ => panic!("KILL_SWITCH_HEARTBEAT_SECONDS is a number of seconds from 6 to 3600"),
    },
};

/// How many times the timer has fired: the log's clock.
static FIRED: AtomicU32 = AtomicU32::new(0);
defmt::timestamp!("{=u32:ts}", FIRED.load(Relaxed) / board::TIMER_HERTZ);

/// How many times the timer may still fire before the next heartbeat.
static LEFT: AtomicU32 = AtomicU32::new(0);

/// supervisord is alive.
pub fn beat() {
    LEFT.store(SECONDS * board::TIMER_HERTZ, Relaxed);
    kill_line::release(kill_line::NO_HEARTBEAT);
}

/// The timer has fired. Called from its interrupt, which nothing here interrupts.
pub fn timer() {
    FIRED.store(FIRED.load(Relaxed).wrapping_add(1), Relaxed);
    match LEFT.load(Relaxed) {
        0 => kill_line::assert(kill_line::NO_HEARTBEAT),
        left => LEFT.store(left - 1, Relaxed),
    }
}
