//! Loops around real input and output. They know no grammar: they read into a [`Session`](crate::Session), hand its
//! events to a handler, and write its answers.

// The modules' own pages say what they are.
#[cfg(feature = "embedded-io")]
pub mod embedded_io;
#[cfg(feature = "embedded-io-async")]
pub mod embedded_io_async;
#[cfg(feature = "std")]
pub mod std;
