//! Loops around real input and output. They know no grammar: they read into a [`Session`](crate::Session), hand its
//! events to a handler, and write its answers.

// The module's own page says what it is.
#[cfg(feature = "std")]
pub mod std;
