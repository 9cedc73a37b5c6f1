//! The log's destination: QEMU, or memory for a debug probe.

#[cfg(not(feature = "semihosting"))]
mod rtt {
    use defmt_rtt as _;

    pub fn start() {}
}

#[cfg(feature = "semihosting")]
mod semihosting {
    use core::convert::Infallible;

    use embedded_io::{ErrorType, Write};
    use semihosting::sys::arm_compat::sys_writec;

    /// QEMU's semihosting console. Not `:tt`, which is QEMU's own standard output: here, that is the serial line.
    struct Console;

    impl ErrorType for Console {
        type Error = Infallible;
    }

    impl Write for Console {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
            bytes.iter().for_each(|byte| sys_writec(*byte));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }

    pub fn start() {
        if let Some(console) = cortex_m::singleton!(: Console = Console) {
            defmt_serial::defmt_serial(console);
        }
    }
}

#[cfg(not(feature = "semihosting"))]
pub use rtt::start;
#[cfg(feature = "semihosting")]
pub use semihosting::start;
