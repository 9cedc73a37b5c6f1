//! A hardware kill switch: an event listener of supervisord's on a microcontroller, with its standard input and output
//! on the other end of a serial line.
//!
//! It asserts its kill line while a critical process is lost, and while supervisord's heartbeat is.

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

/// Room for one event. A longer payload is cut, and the event answered all the same. A header has to fit, and with it
/// supervisord's identifier.
const ROOM: usize = 1024;

/// Why the firmware cannot go on. None of these is mended by going on.
#[derive(defmt::Format)]
enum Fault {
    /// supervisord's bytes make no sense.
    Driver(DriverError),
    /// They came faster than they were taken.
    Overrun,
    /// There are no more of them. A serial line has no end.
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
    // Until supervisord is heard, it may as well not be there.
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
            // What is written is sent.
            Next::Flush => driver.flushed(),
            Next::Read(space) => match uart::read(space).map_err(|uart::Overrun| Fault::Overrun)? {
                // An interrupt ended the wait. To the driver, 0 bytes are the end of the input.
                0 => {}
                read => driver.received(read),
            },
            Next::Handle(event) => {
                switch.take(&event);
                driver.reply(&Reply::OK)?;
            }
            Next::End => return Ok(()),
        }
        // The timer moves the line as well, and has no time to tell.
        if kill_line::is_asserted() != asserted {
            asserted = !asserted;
            match asserted {
                true => defmt::error!("the kill line is asserted"),
                false => defmt::info!("the kill line is released"),
            }
        }
    }
}

/// Nothing here panics. If it does all the same, the switch has failed, and trips.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    board::fail()
}
