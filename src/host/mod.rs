//! Hosts: what a listener does next, and loops around real input and output that do it. They know no
//! grammar.
//!
//! [`driver`] decides: write this, read here, handle this event, end. The hosts around it differ only in their traits
//! for input and output: all write RESULT and the next READY at once, and all limit rejections.
//!
//! `capture` reads streams that were recorded, with nobody to answer.

// Documented in the modules themselves.
#[cfg(feature = "std")]
pub mod capture;
pub mod driver;
#[cfg(feature = "embedded-io")]
pub mod embedded;
#[cfg(feature = "embedded-io-async")]
pub mod embedded_async;
#[cfg(feature = "std")]
pub mod std_io;

#[cfg(any(feature = "embedded-io", feature = "embedded-io-async"))]
mod error;
#[cfg(any(feature = "embedded-io", feature = "embedded-io-async"))]
pub use error::HostError;
