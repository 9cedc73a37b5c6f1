//! The kill line: asserted while there is any reason for it.

use core::cell::Cell;

use critical_section::Mutex;

use crate::board;

/// The reason that is not a process. Processes have the bits from 0 on.
pub const NO_HEARTBEAT: u32 = 1 << 31;

static REASONS: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));

/// Asserts the line for this reason.
pub fn assert(reason: u32) {
    change(|reasons| reasons | reason);
}

/// Removes this reason. Others may keep the line asserted.
pub fn release(reason: u32) {
    change(|reasons| reasons & !reason);
}

pub fn is_asserted() -> bool {
    critical_section::with(|token| REASONS.borrow(token).get() != 0)
}

fn change(change: impl FnOnce(u32) -> u32) {
    // The pin is set inside the critical section, too: the timer must not change the reasons before the pin follows
    // them.
    critical_section::with(|token| {
        let reasons = REASONS.borrow(token);
        reasons.set(change(reasons.get()));
        board::kill_line(reasons.get() != 0);
    });
}
