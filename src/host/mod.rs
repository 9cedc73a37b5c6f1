//! Hosts: loops around real I/O, and the driver that decides what they do next. They know no grammar.
//!
//! [`driver`] decides: write this, read here, handle this event, end. The hosts around it have different traits for
//! input and output; all of them write RESULT and the next READY at once, and limit rejections. `std_io` adds deadlines,
//! delays, recordings and reports.
//!
//! `capture` reads recorded streams, where no answer is expected.

#[cfg(feature = "std")]
pub mod capture;
pub mod driver;
#[cfg(feature = "embedded-io")]
pub mod embedded;
#[cfg(feature = "embedded-io-async")]
pub mod embedded_async;
mod rejections;
#[cfg(feature = "std")]
pub mod std_io;

#[cfg(any(feature = "embedded-io", feature = "embedded-io-async"))]
mod error;
#[cfg(any(feature = "embedded-io", feature = "embedded-io-async"))]
pub use error::HostError;
