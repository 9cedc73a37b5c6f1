//! Why supervisord did not do what it was asked for.

use std::error::Error;
use std::fmt;

use crate::Failure;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// The codes of supervisord's faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
            /// One that this version does not know.
            Other(i32),
        }

        impl Fault {
            /// As supervisord's documentation names it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(_) => "OTHER",
                }
            }
        }

        impl From<i32> for Fault {
            fn from(code: i32) -> Self {
                match code {
                    $($code => Self::$name,)*
                    code => Self::Other(code),
                }
            }
        }
    };
}

faults! {
    /// The method does not exist: as an error, this is [`Misconfigured`].
    UnknownMethod = 1, "UNKNOWN_METHOD";
    /// Too few arguments, too many, or others.
    IncorrectParameters = 2, "INCORRECT_PARAMETERS";
    /// Offset and length do not go together.
    BadArguments = 3, "BAD_ARGUMENTS";
    /// Not used by supervisord itself.
    SignatureUnsupported = 4, "SIGNATURE_UNSUPPORTED";
    /// supervisord is shutting down or restarting, and takes no calls.
    ShutdownState = 6, "SHUTDOWN_STATE";
    /// There is no such process or group.
    BadName = 10, "BAD_NAME";
    /// There is no such signal.
    BadSignal = 11, "BAD_SIGNAL";
    /// The program, the log, or the standard input is not there.
    NoFile = 20, "NO_FILE";
    /// The program cannot be executed.
    NotExecutable = 21, "NOT_EXECUTABLE";
    /// It was tried, and failed.
    Failed = 30, "FAILED";
    /// The process has ended before its `startsecs`.
    AbnormalTermination = 40, "ABNORMAL_TERMINATION";
    /// The process could not be started.
    SpawnError = 50, "SPAWN_ERROR";
    /// It runs, or is about to.
    AlreadyStarted = 60, "ALREADY_STARTED";
    /// It does not run.
    NotRunning = 70, "NOT_RUNNING";
    /// No fault: it was done.
    Success = 80, "SUCCESS";
    /// The group is there.
    AlreadyAdded = 90, "ALREADY_ADDED";
    /// Something of the group runs.
    StillRunning = 91, "STILL_RUNNING";
    /// The configuration has an error.
    CantReread = 92, "CANT_REREAD";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// supervisord did not do what it was asked for.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub fault: Fault,
    /// In its own words.
    pub(super) text: String,
}

/// Why it is not known what became of a call: supervisord did not answer in time, and may have done what it was asked for.
#[derive(Debug)]
pub struct Unknown(pub(super) String);

/// Why every call fails until somebody changes supervisord's configuration, with what to change.
#[derive(Debug)]
pub struct Misconfigured(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}

impl Error for Unknown {}

impl Error for Misconfigured {}

/// The fault with which supervisord refused a call. None if it did not answer, or not with a fault.
pub fn fault_of(error: &Failure) -> Option<Fault> {
    error.downcast_ref::<Refused>().map(|refused| refused.fault)
}
