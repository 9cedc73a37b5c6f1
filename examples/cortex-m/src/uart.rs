//! The serial line. What arrives is kept by the interrupt until it is asked for; what is sent is waited for.

use core::cell::RefCell;

use critical_section::Mutex;
use heapless::Deque;

use crate::board;

/// What has arrived. supervisord sends an event only when the one before is answered, so more than one never waits
/// here, and of that one only what comes in while the one before is being acted on.
static ARRIVED: Mutex<RefCell<Arrived>> = Mutex::new(RefCell::new(Arrived { bytes: Deque::new(), overrun: false }));

struct Arrived {
    bytes: Deque<u8, 1024>,
    overrun: bool,
}

/// Bytes were lost.
pub struct Overrun;

/// Moves what has arrived to the start of `space`, and returns how much that is. Sleeps first if nothing is there, until
/// the next interrupt; that may be the timer's, and nothing be there still.
pub fn read(space: &mut [u8]) -> Result<usize, Overrun> {
    critical_section::with(|token| {
        if ARRIVED.borrow_ref(token).bytes.is_empty() {
            // An interrupt ends the sleep in here too, and is served on the way out. Outside, it could come between the
            // look and the sleep, and its byte would wait for the next one.
            cortex_m::asm::wfi();
        }
    });
    critical_section::with(|token| {
        let mut arrived = ARRIVED.borrow_ref_mut(token);
        if arrived.overrun {
            return Err(Overrun);
        }
        let bytes = core::iter::from_fn(|| arrived.bytes.pop_front());
        Ok(space.iter_mut().zip(bytes).map(|(place, byte)| *place = byte).count())
    })
}

/// Sends all of it.
pub fn write(bytes: &[u8]) {
    bytes.iter().for_each(|byte| board::send(*byte));
}

/// Something arrived. Called from the interrupt.
pub fn arrived() {
    critical_section::with(|token| {
        let mut arrived = ARRIVED.borrow_ref_mut(token);
        while let Some(byte) = board::received() {
            arrived.overrun |= arrived.bytes.push_back(byte).is_err();
        }
        arrived.overrun |= board::overrun();
    });
}
