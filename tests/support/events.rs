//! Events as a server writes them.

#![allow(dead_code, reason = "no test needs all of it")]

use supervisor_events::{Envelope, LengthUnit};

/// An event of supervisor 4.3.0.
pub fn event(serial: u64, eventname: &str, payload: &str) -> Vec<u8> {
    event_in(LengthUnit::CodePoints, "s", serial, eventname, payload)
}

/// An event of the server `server`, whose `len` counts in `unit`.
pub fn event_in(unit: LengthUnit, server: &str, serial: u64, eventname: &str, payload: &str) -> Vec<u8> {
    let envelope = Envelope { server, serial, pool: "p", poolserial: serial, eventname, payload: payload.as_bytes() };
    let mut buffer = vec![0; 256 + server.len() + eventname.len() + payload.len()];
    envelope.write_to(unit, &mut buffer).unwrap().to_vec()
}
