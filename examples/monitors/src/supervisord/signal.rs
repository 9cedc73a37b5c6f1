//! The signals that supervisord can send to a process.

use std::borrow::Cow;

/// A signal for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: tells many programs to read their configuration again.
    Hup,
    /// SIGINT
    Int,
    /// SIGQUIT
    Quit,
    /// SIGKILL
    Kill,
    /// SIGUSR1
    Usr1,
    /// SIGUSR2
    Usr2,
    /// SIGTERM. If the process ends, that is an exit, not a stop: to stop it, use
    /// [`Supervisord::stop`](super::Supervisord::stop).
    Term,
    /// SIGSTOP
    Stop,
    /// SIGCONT
    Cont,
    /// Another, by its number on supervisord's machine.
    Number(u8),
}

impl Signal {
    /// The name that supervisord accepts: without `SIG`, or a number.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Hup => "HUP".into(),
            Self::Int => "INT".into(),
            Self::Quit => "QUIT".into(),
            Self::Kill => "KILL".into(),
            Self::Usr1 => "USR1".into(),
            Self::Usr2 => "USR2".into(),
            Self::Term => "TERM".into(),
            Self::Stop => "STOP".into(),
            Self::Cont => "CONT".into(),
            Self::Number(number) => number.to_string().into(),
        }
    }
}
