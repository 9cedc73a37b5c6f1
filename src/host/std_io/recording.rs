//! Reads a recording as if supervisord sent it.
//!
//! supervisord sends an event and waits for the answer. In a file, the next event follows at once, which would be input
//! out of turn.

use std::boxed::Box;
use std::io::{self, Read};
use std::vec::Vec;

use crate::{Decoder, LengthUnit, Step};

/// A reader that, for a recording, never returns bytes of two events at once.
#[derive(Debug)]
pub(super) struct Paced<R> {
    input: R,
    recording: Option<Box<Recording>>,
}

#[derive(Debug)]
struct Recording {
    decoder: Decoder<{ 64 * 1024 }>,
    /// Bytes that were read and not returned yet.
    rest: Vec<u8>,
}

impl<R: Read> Paced<R> {
    /// The input as it is: the sender paces it.
    pub(super) const fn live(input: R) -> Self {
        Self { input, recording: None }
    }

    /// A recording of a server whose `len` counts in `unit`.
    pub(super) fn recording(input: R, unit: LengthUnit) -> Self {
        let recording = Recording { decoder: Decoder::with_header_limit(unit), rest: Vec::new() };
        Self { input, recording: Some(Box::new(recording)) }
    }

    pub(super) const fn get_ref(&self) -> &R {
        &self.input
    }

    /// Whether a read returns something without reading from the input.
    pub(super) fn has_more(&self) -> bool {
        self.recording.as_ref().is_some_and(|recording| !recording.rest.is_empty())
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Some(recording) = &mut self.recording else { return self.input.read(space) };
        if recording.rest.is_empty() {
            let read = self.input.read(space)?;
            recording.rest.extend_from_slice(space.get(..read).unwrap_or_default());
        }
        Ok(recording.take(space))
    }
}

impl Recording {
    /// Moves bytes to `space`, at most to the end of an event.
    fn take(&mut self, space: &mut [u8]) -> usize {
        let given = self.rest.get(..self.rest.len().min(space.len())).unwrap_or_default();
        let mut left = given;
        loop {
            match self.decoder.advance(&mut left) {
                Ok(Some(Step::Complete) | None) => break,
                Ok(Some(_)) => {}
                // The session that reads these bytes says what is wrong with them.
                Err(_) => {
                    left = b"";
                    break;
                }
            }
        }
        let taken = given.len() - left.len();
        for (slot, byte) in space.iter_mut().zip(self.rest.drain(..taken)) {
            *slot = byte;
        }
        taken
    }
}
