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

use core::convert::Infallible;

use supervisor_events::{LengthUnit, ProtocolError, Reply, Session, TurnError};
use switch::Switch;

/// Room for one event. A longer payload is cut, and the event answered all the same. A header has to fit, and with it
/// supervisord's identifier.
const ROOM: usize = 1024;

/// Why the firmware cannot go on. None of these is mended by going on.
#[derive(defmt::Format)]
enum Fault {
    /// supervisord's bytes make no sense.
    Protocol(ProtocolError),
    /// They came when it was not their turn.
    Turn(TurnError),
    /// They came faster than they were taken.
    Overrun,
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUFFER: [u8; ROOM] = [0; ROOM];
    // Until supervisord is heard, it may as well not be there.
    kill_line::assert(kill_line::NO_HEARTBEAT);
    log::start();
    board::start();
    defmt::info!("the kill line is asserted until the first heartbeat");
    let Err(fault) = serve(&mut Session::new(BUFFER, LengthUnit::CodePoints));
    defmt::error!("{}", fault);
    board::fail()
}

fn serve(session: &mut Session<&mut [u8; ROOM]>) -> Result<Infallible, Fault> {
    let mut switch = Switch::new();
    let mut asserted = true;
    uart::write(session.ready().map_err(Fault::Turn)?);
    loop {
        let read = uart::read(session.space()).map_err(|uart::Overrun| Fault::Overrun)?;
        if let Some(notification) = session.received(read).map_err(Fault::Protocol)? {
            switch.take(&notification);
            let answer = session.reply_and_ready(&Reply::OK).map_err(Fault::Turn)?;
            let (head, data, ready) = answer.parts();
            [&head, data, ready].into_iter().for_each(uart::write);
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
