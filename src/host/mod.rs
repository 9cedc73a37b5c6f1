//! Hosts: what a listener does next, and loops around real input and output that do it. They know no grammar.
//!
//! [`driver`] decides: write this, read here, handle this event, end. The hosts around it differ in their traits for
//! input and output, and in nothing else: all write RESULT and the next READY at once, and all bound rejections.

// The modules' own pages say what they are.
pub mod driver;
#[cfg(feature = "embedded-io")]
pub mod embedded_io;
#[cfg(feature = "embedded-io-async")]
pub mod embedded_io_async;
#[cfg(feature = "std")]
pub mod std;
