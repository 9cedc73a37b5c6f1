//! Why supervisord did not do what it was asked for.

use std::error::Error;
use std::fmt;

use crate::Failure;

macro_rules! faults {
    ($($name:ident = $code:literal),* $(,)?) => {
        /// The codes of supervisord's faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($name,)*
            /// One that this version does not know.
            Other(i32),
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
    UnknownMethod = 1,
    IncorrectParameters = 2,
    BadArguments = 3,
    SignatureUnsupported = 4,
    ShutdownState = 6,
    BadName = 10,
    BadSignal = 11,
    NoFile = 20,
    NotExecutable = 21,
    Failed = 30,
    AbnormalTermination = 40,
    SpawnError = 50,
    AlreadyStarted = 60,
    NotRunning = 70,
    Success = 80,
    AlreadyAdded = 90,
    StillRunning = 91,
    CantReread = 92,
}

/// supervisord did not do what it was asked for.
#[derive(Debug)]
pub struct Refused {
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
