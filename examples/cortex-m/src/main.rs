//! A hardware kill switch: an event listener on a microcontroller, connected to supervisord by a serial line.
//!
//! It asserts its kill line while a critical process is lost, or supervisord's heartbeat is missing.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;
mod heartbeat;
mod kill_line;
mod log;
mod switch;
mod uart;

use supervisor_events::host::driver::{Driver, DriverError, Next};
use supervisor_events::{LengthUnit, Reply};
use switch::Switch;

/// Room for one event. A longer payload is truncated, and the event is still answered. A header has to fit, including
/// supervisord's identifier.
const ROOM: usize = 1024;

/// Why the firmware cannot continue.
#[derive(defmt::Format)]
enum Fault {
    /// The input is not what supervisord sends.
    Driver(DriverError),
    /// Bytes arrived faster than they were read.
    Overrun,
    /// The input has ended, which a serial line cannot do.
    Ended,
}

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUFFER: [u8; ROOM] = [0; ROOM];
    // Until the first heartbeat, supervisord counts as lost.
    kill_line::assert(kill_line::NO_HEARTBEAT);
    log::start();
    board::start();
    defmt::info!("the kill line is asserted until the first heartbeat");
    let fault = match serve(&mut Driver::new(BUFFER, LengthUnit::CodePoints)) {
        Ok(()) => Fault::Ended,
        Err(fault) => fault,
    };
    defmt::error!("{}", fault);
    board::fail()
}

fn serve(driver: &mut Driver<&mut [u8; ROOM]>) -> Result<(), Fault> {
    let mut switch = Switch::new();
    let mut asserted = true;
    loop {
        match driver.next()? {
            Next::Write(bytes) => {
                uart::write(bytes);
                let written = bytes.len();
                driver.written(written);
            }
            // `uart::write` has sent everything.
            Next::Flush => driver.flushed(),
            Next::Read(space) => match uart::read(space).map_err(|uart::Overrun| Fault::Overrun)? {
                // An interrupt ended the wait. The driver must not see 0 bytes: that would mean the end of the input.
                0 => {}
                read => driver.received(read),
            },
            Next::Handle(event) => {
                switch.take(&event);
                driver.reply(&Reply::OK)?;
            }
            Next::End => return Ok(()),
        }
        // The timer interrupt changes the line as well, but cannot log.
        if kill_line::is_asserted() != asserted {
            asserted = !asserted;
            match asserted {
                true => defmt::error!("the kill line is asserted"),
                false => defmt::info!("the kill line is released"),
            }
        }
    }
}

/// Nothing here panics. If it did, the switch would have failed, and has to trip.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    board::fail()
}
