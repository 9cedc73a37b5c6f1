//! The serial line. The interrupt keeps the bytes that arrive until they are read; writing waits until all is sent.

use core::cell::RefCell;

use critical_section::Mutex;
use heapless::Deque;

use crate::board;

/// Bytes that have arrived. supervisord sends an event only once the previous one is answered, so there is never more
/// than one event in here.
static ARRIVED: Mutex<RefCell<Arrived>> = Mutex::new(RefCell::new(Arrived { bytes: Deque::new(), overrun: false }));

struct Arrived {
    bytes: Deque<u8, 1024>,
    overrun: bool,
}

/// Bytes were lost.
pub struct Overrun;

/// Moves the bytes that have arrived to the start of `space`, and returns their number. If there are none, sleeps until
/// the next interrupt first; after a timer interrupt, there may still be none.
pub fn read(space: &mut [u8]) -> Result<usize, Overrun> {
    critical_section::with(|token| {
        if ARRIVED.borrow_ref(token).bytes.is_empty() {
            // An interrupt ends the sleep inside the critical section, too, and is served after it. Outside, it could
            // come between the check and the sleep, and its byte would wait for the next interrupt.
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

/// Sends all the bytes.
pub fn write(bytes: &[u8]) {
    bytes.iter().for_each(|byte| board::send(*byte));
}

/// Keeps the bytes that have arrived. Called from the interrupt.
pub fn arrived() {
    critical_section::with(|token| {
        let mut arrived = ARRIVED.borrow_ref_mut(token);
        while let Some(byte) = board::received() {
            arrived.overrun |= arrived.bytes.push_back(byte).is_err();
        }
        arrived.overrun |= board::overrun();
    });
}
