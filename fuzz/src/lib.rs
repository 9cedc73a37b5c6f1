//! The checks of the fuzz targets. Each is a plain function of bytes, so that `cargo test` can replay the inputs in
//! `fuzz/seeds` with a stable compiler (`tests/protocol/seeds.rs`), and tests with likely inputs can share it.

use arbitrary::{Arbitrary, Unstructured};

pub mod both_ends;
pub mod calls;
pub mod chunking;
pub mod conserve;
pub mod driving;
pub mod ends;
pub mod header;
pub mod payload;
pub mod runs;
pub mod stream;
pub mod supervisor_end;

/// Panics if these bytes break the invariant.
pub type Check = fn(&[u8]);

/// The targets. One is missing: `readers` needs access to the inside of the library.
pub const TARGETS: [(&str, Check); 7] = [
    ("header", header::check),
    ("chunking", |bytes| structured(bytes, chunking::check)),
    ("conserve", |bytes| structured(bytes, conserve::check)),
    ("payload", |bytes| structured(bytes, payload::Input::check)),
    ("listener_calls", |bytes| structured(bytes, calls::Input::check)),
    ("supervisor_end", |bytes| structured(bytes, supervisor_end::Input::check)),
    ("both_ends", |bytes| structured(bytes, both_ends::Input::check)),
];

/// Checks the input that these bytes encode. Too few bytes encode none.
fn structured<'a, T: Arbitrary<'a>>(bytes: &'a [u8], check: fn(T)) {
    if let Ok(input) = T::arbitrary_take_rest(Unstructured::new(bytes)) {
        check(input);
    }
}
