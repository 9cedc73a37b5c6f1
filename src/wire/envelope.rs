//! Writes a notification as supervisord does: header and payload, from their parts.

use super::error::BufferTooSmall;
use super::key::Key;
use super::length::LengthUnit;
use super::writer::Writer;

/// The parts of a notification. `len` is computed from the payload.
///
/// ```
/// use supervisor_events::{Envelope, LengthUnit};
///
/// let envelope = Envelope {
///     server: "supervisor",
///     serial: 21,
///     pool: "listener",
///     poolserial: 10,
///     eventname: "REMOTE_COMMUNICATION",
///     payload: "type:t\ndätä".as_bytes(),
/// };
/// let mut buffer = [0; 200];
/// assert_eq!(
///     envelope.write_to(LengthUnit::CodePoints, &mut buffer)?,
///     "ver:3.0 server:supervisor serial:21 pool:listener poolserial:10 \
///      eventname:REMOTE_COMMUNICATION len:11\n\
///      type:t\ndätä".as_bytes(),
/// );
/// # Ok::<(), supervisor_events::BufferTooSmall>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Envelope<'a> {
    /// supervisord's identifier.
    pub server: &'a str,
    /// The event's number over all pools.
    pub serial: u64,
    /// The pool's name.
    pub pool: &'a str,
    /// The event's number in the pool.
    pub poolserial: u64,
    /// The name of the event's type.
    pub eventname: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

impl Envelope<'_> {
    /// Writes the header, newline included, to the start of `buffer`, and returns that part. The payload follows it on
    /// the wire, and nothing follows the payload.
    ///
    /// # Errors
    ///
    /// If it does not fit.
    pub fn header_to<'b>(&self, unit: LengthUnit, buffer: &'b mut [u8]) -> Result<&'b [u8], BufferTooSmall> {
        let mut writer = Writer::new(buffer);
        self.header(unit, &mut writer);
        writer.finish()
    }

    /// Writes header and payload to the start of `buffer`, and returns that part.
    ///
    /// # Errors
    ///
    /// If they do not fit.
    pub fn write_to<'b>(&self, unit: LengthUnit, buffer: &'b mut [u8]) -> Result<&'b [u8], BufferTooSmall> {
        let mut writer = Writer::new(buffer);
        self.header(unit, &mut writer);
        writer.put(self.payload);
        writer.finish()
    }

    fn header(&self, unit: LengthUnit, writer: &mut Writer<'_>) {
        writer.token(Key::Ver, b"3.0").token(Key::Server, self.server.as_bytes());
        writer.number_token(Key::Serial, self.serial).token(Key::Pool, self.pool.as_bytes());
        writer.number_token(Key::Poolserial, self.poolserial).token(Key::Eventname, self.eventname.as_bytes());
        writer.number_token(Key::Len, unit.measure(self.payload)).put(b"\n");
    }
}
