//! `defmt::Format` for types that hold bytes: as text, with escapes; derived code would print a list of numbers.
//!
//! `Key` prints its name. Most other types derive it; types with private buffers implement it next to their definition.

use defmt::{Format, Formatter, write};

use crate::communication::EncodedMessage;
use crate::{
    Data, EncodedReply, Envelope, Header, Key, ListenerOutput, Notification, OwnedNotification, READY, Reply,
    ResultLine, Step, Text, Violation,
};

impl Format for Key {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=str}", self.name());
    }
}

impl Format for Text<'_> {
    fn format(&self, f: Formatter<'_>) {
        self.as_str().format(f);
    }
}

impl Format for ResultLine {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=[u8]:a}", self.as_bytes());
    }
}

impl Format for Header<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Header {{ {=str} }}", self.as_str());
    }
}

impl Format for Data<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=[u8]:a}", self.as_bytes());
    }
}

impl Format for Reply<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Reply {=[u8]:a}", self.data());
    }
}

impl Format for EncodedReply<'_> {
    fn format(&self, f: Formatter<'_>) {
        let (_, data, ready) = self.parts();
        write!(f, "RESULT {=usize} {=[u8]:a}, READY: {=bool}", data.len(), data, ready == READY);
    }
}

impl Format for EncodedMessage<'_> {
    fn format(&self, f: Formatter<'_>) {
        let [_, data, _] = self.parts();
        write!(f, "EncodedMessage({=[u8]:a})", data);
    }
}

impl Format for Envelope<'_> {
    fn format(&self, f: Formatter<'_>) {
        let Self { server, serial, pool, poolserial, eventname, payload } = self;
        write!(
            f,
            "Envelope {{ server: {=str}, serial: {=u64}, pool: {=str}, poolserial: {=u64}, eventname: {=str}, \
             payload: {=[u8]:a} }}",
            server, serial, pool, poolserial, eventname, payload
        );
    }
}

impl Format for Notification<'_> {
    fn format(&self, f: Formatter<'_>) {
        let Self { header, payload, omitted, retries_left } = self;
        write!(
            f,
            "Notification {{ header: {}, payload: {=[u8]:a}, omitted: {=u64}, retries_left: {} }}",
            header, payload, omitted, retries_left
        );
    }
}

impl<const N: usize> Format for OwnedNotification<N> {
    fn format(&self, f: Formatter<'_>) {
        self.notification().format(f);
    }
}

impl Format for Step<'_> {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Header(header) => header.format(f),
            Self::Payload(bytes) => write!(f, "Payload({=[u8]:a})", bytes),
            Self::Complete => write!(f, "Complete"),
        }
    }
}

impl Format for ListenerOutput<'_> {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Ready => write!(f, "Ready"),
            Self::ResultLine { len, quirk } => write!(f, "ResultLine {{ len: {=u64}, quirk: {} }}", len, quirk),
            Self::ResultData(bytes) => write!(f, "ResultData({=[u8]:a})", bytes),
            Self::Result { ok } => write!(f, "Result {{ ok: {=bool} }}", ok),
            Self::Violation(violation) => violation.format(f),
            Self::EndlessResult(stuck) => stuck.format(f),
        }
    }
}

impl Format for Violation {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::NotReady(bytes) => write!(f, "NotReady({=[u8]:a})", bytes.as_slice()),
            Self::Spurious(byte) => write!(f, "Spurious({=[u8]:a})", [*byte].as_slice()),
            Self::BadResultLine => write!(f, "BadResultLine"),
            Self::HandlerFailed => write!(f, "HandlerFailed"),
        }
    }
}
