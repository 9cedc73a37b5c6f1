//! Why supervisord did not do what it was asked to do.

use std::error::Error;
use std::fmt;

use crate::Failure;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// The codes of supervisord's faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
            /// A code that this version does not know.
            Other(i32),
        }

        impl Fault {
            /// The name in supervisord's documentation.
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
    /// The method does not exist. As an error, this is [`Misconfigured`].
    UnknownMethod = 1, "UNKNOWN_METHOD";
    /// Too few arguments, too many, or of the wrong type.
    IncorrectParameters = 2, "INCORRECT_PARAMETERS";
    /// Offset and length do not fit together.
    BadArguments = 3, "BAD_ARGUMENTS";
    /// Not used by supervisord itself.
    SignatureUnsupported = 4, "SIGNATURE_UNSUPPORTED";
    /// supervisord is shutting down or restarting, and accepts no calls.
    ShutdownState = 6, "SHUTDOWN_STATE";
    /// There is no such process or group.
    BadName = 10, "BAD_NAME";
    /// There is no such signal.
    BadSignal = 11, "BAD_SIGNAL";
    /// The program, the log, or standard input does not exist.
    NoFile = 20, "NO_FILE";
    /// The program cannot be executed.
    NotExecutable = 21, "NOT_EXECUTABLE";
    /// An attempt was made, and failed.
    Failed = 30, "FAILED";
    /// The process ended before its `startsecs`.
    AbnormalTermination = 40, "ABNORMAL_TERMINATION";
    /// The process could not be started.
    SpawnError = 50, "SPAWN_ERROR";
    /// It is running, or about to run.
    AlreadyStarted = 60, "ALREADY_STARTED";
    /// It is not running.
    NotRunning = 70, "NOT_RUNNING";
    /// No fault: it was done.
    Success = 80, "SUCCESS";
    /// The group exists.
    AlreadyAdded = 90, "ALREADY_ADDED";
    /// A process of the group is running.
    StillRunning = 91, "STILL_RUNNING";
    /// The configuration has an error.
    CantReread = 92, "CANT_REREAD";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// supervisord refused a request.
#[derive(Debug)]
pub struct Refused {
    /// The reason.
    pub fault: Fault,
    /// The message, in supervisord's words.
    pub(super) text: String,
}

/// The outcome of a call is unknown: supervisord did not answer in time, and may or may not have done what it was asked
/// to do.
#[derive(Debug)]
pub struct Unknown(pub(super) String);

/// Every call will fail until somebody changes supervisord's configuration. The text says what to change.
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

/// The fault with which supervisord refused a call. `None` if it did not answer, or answered otherwise.
pub fn fault_of(error: &Failure) -> Option<Fault> {
    error.downcast_ref::<Refused>().map(|refused| refused.fault)
}
