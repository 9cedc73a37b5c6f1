//! A flag that is set while something is running, whichever thread runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keeps the flag set until it is dropped, however what is running ends.
pub struct Busy(Arc<AtomicBool>);

impl Busy {
    /// Sets the flag. `None` if it is set already.
    pub fn begin(busy: &Arc<AtomicBool>) -> Option<Self> {
        (!busy.swap(true, Ordering::AcqRel)).then(|| Self(Arc::clone(busy)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
