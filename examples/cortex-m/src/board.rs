//! The board, an Arm MPS2 with the image AN386 (QEMU's `mps2-an386`). For another board, change this module alone. It
//! is the only one with `unsafe` code, for registers and interrupts.

#![allow(unsafe_code)]

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, SYST};
use cortex_m_rt::{ExceptionFrame, exception};

use crate::{heartbeat, uart};

const CLOCK_HERTZ: u32 = 25_000_000;
const BAUD: u32 = 115_200;
/// How often the timer fires.
pub const TIMER_HERTZ: u32 = 10;

/// UART0, a CMSDK APB UART.
const UART_DATA: Register = Register(0x4000_4000);
const UART_STATE: Register = Register(0x4000_4004);
const UART_CTRL: Register = Register(0x4000_4008);
const UART_INTCLEAR: Register = Register(0x4000_400c);
const UART_BAUDDIV: Register = Register(0x4000_4010);
const STATE_TX_FULL: u32 = 1 << 0;
const STATE_RX_FULL: u32 = 1 << 1;
const STATE_RX_OVERRUN: u32 = 1 << 3;
const CTRL_TX_RX_AND_RX_INTERRUPT: u32 = 1 << 0 | 1 << 1 | 1 << 3;
const INT_RX: u32 = 1 << 1;
const UART_RX: Interrupt = Interrupt(0);

/// GPIO0, whose pin 0 is the kill line, and an LED that shows its level. QEMU has the LED, but not the pin.
const GPIO_DATAOUT: Register = Register(0x4001_0004);
const GPIO_OUTENSET: Register = Register(0x4001_0010);
const LED: Register = Register(0x4002_8000);

/// Sets up the serial line and the timer. Called once, before all other functions except [`kill_line`].
pub fn start() {
    UART_BAUDDIV.write(CLOCK_HERTZ / BAUD);
    UART_CTRL.write(CTRL_TX_RX_AND_RX_INTERRUPT);
    // SAFETY: nothing else uses the timer.
    let mut timer: SYST = unsafe { cortex_m::Peripherals::steal() }.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CLOCK_HERTZ / TIMER_HERTZ - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
    // SAFETY: no critical section relies on this interrupt being masked.
    unsafe { NVIC::unmask(UART_RX) };
}

/// Sets the kill line.
pub fn kill_line(asserted: bool) {
    let level = u32::from(asserted);
    GPIO_DATAOUT.write(level);
    GPIO_OUTENSET.write(1);
    LED.write(level);
}

/// Sends a byte as soon as there is room.
pub fn send(byte: u8) {
    while UART_STATE.read() & STATE_TX_FULL != 0 {}
    UART_DATA.write(byte.into());
}

/// The byte that arrived, if one did.
pub fn received() -> Option<u8> {
    // Cleared first: a byte that arrives after that raises another interrupt.
    UART_INTCLEAR.write(INT_RX);
    (UART_STATE.read() & STATE_RX_FULL != 0).then(|| UART_DATA.read() as u8)
}

/// Whether a byte was lost because the one before it had not been read.
pub fn overrun() -> bool {
    UART_STATE.read() & STATE_RX_OVERRUN != 0
}

/// Stops the firmware: the kill line is asserted, and stays asserted until a reset.
pub fn fail() -> ! {
    cortex_m::interrupt::disable();
    kill_line(true);
    #[cfg(feature = "semihosting")]
    semihosting::process::exit(1);
    #[cfg(not(feature = "semihosting"))]
    loop {
        cortex_m::asm::wfi();
    }
}

#[exception]
fn SysTick() {
    heartbeat::timer();
}

/// All interrupts of the board.
#[exception]
unsafe fn DefaultHandler(number: i16) {
    match u16::try_from(number) {
        Ok(number) if number == UART_RX.number() => uart::arrived(),
        _ => fail(),
    }
}

#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    fail()
}

/// The address of a register of 32 bits.
struct Register(usize);

impl Register {
    fn read(&self) -> u32 {
        // SAFETY: only the registers above exist, and none of them is memory.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    fn write(&self, value: u32) {
        // SAFETY: as above.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}

#[derive(Clone, Copy)]
struct Interrupt(u16);

// SAFETY: only the number above exists, and it does not change.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}
