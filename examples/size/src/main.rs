//! The smallest firmware that uses the crate, to measure its cost. It is linked and measured, not run: it has no input
//! and no output.
//!
//! Without features it is an empty loop; each feature adds a part of the crate.

#![no_std]
#![no_main]

use core::hint::black_box;

/// The linker finds no such function, so a panic that can be reached is a link error.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_can_be_reached() -> !;
    }
    unsafe { a_panic_can_be_reached() }
}

#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    #[cfg(feature = "listener")]
    piece_by_piece();
    #[cfg(feature = "session")]
    whole();
    loop {
        memory();
    }
}

/// The compiler's own functions that copy, fill, clear and compare memory. Every firmware has them, so they are not
/// part of what is measured.
#[inline(never)]
fn memory() {
    let (mut one, two) = (black_box([1u8; 200]), black_box([2u8; 200]));
    let len = black_box(100);
    one[..100].copy_from_slice(&two[..100]);
    if let (Some(to), Some(from)) = (one.get_mut(..len), two.get(..len)) {
        to.fill(len as u8);
        black_box(&*to == from);
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    black_box(one);
    // The same for memory that is aligned to 4 and to 8 bytes.
    let words = black_box([0u32; 64]);
    let long_words = black_box([0u64; 64]);
    black_box((*black_box(&words), *black_box(&long_words)));
}

/// The size of a listener without the buffer for a header that arrives in pieces: limited here, and a symbol, so that
/// `measure` can read it from the binary.
#[cfg(feature = "listener")]
mod state {
    const BUFFER: usize = 512;
    const BESIDES_BUFFER: usize = size_of::<supervisor_events::Listener<BUFFER>>() - BUFFER;
    const _: () = assert!(BESIDES_BUFFER <= 80);

    #[unsafe(no_mangle)]
    #[used]
    static mut LISTENER_BESIDES_BUFFER: [u8; BESIDES_BUFFER] = [0; BESIDES_BUFFER];
}

// The machines are used through a pointer, as statics and fields are, and their results are used where they lie, so
// that the machines are measured, and not the code of this file.

#[cfg(feature = "listener")]
#[inline(never)]
fn piece_by_piece() {
    let listener = &mut supervisor_events::Listener::<512>::with_header_limit(black_box(Default::default()));
    let listener = black_box(listener);
    let _ = black_box(&listener.ready());
    loop {
        let mut input: &[u8] = black_box(&[]);
        loop {
            match &advance(listener, &mut input) {
                Ok(Some(step)) => {
                    black_box(step);
                    #[cfg(feature = "replies")]
                    if let supervisor_events::Step::Complete = step {
                        answer(&listener.reply_and_ready(&supervisor_events::Reply::new(black_box(b"OK"))));
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    black_box(error);
                    return;
                }
            }
        }
        if black_box(false) {
            black_box(&listener.end());
        }
    }
}

/// With the feature `stack`, this is a function of its own, whose stack can be told from its caller's.
#[cfg(feature = "listener")]
#[cfg_attr(feature = "stack", inline(never))]
fn advance<'a, 'i: 'a>(
    listener: &'a mut supervisor_events::Listener<512>,
    input: &mut &'i [u8],
) -> Result<Option<supervisor_events::Step<'a>>, supervisor_events::ProtocolError> {
    listener.advance(input)
}

#[cfg(feature = "session")]
#[inline(never)]
fn whole() {
    let session = &mut supervisor_events::Session::new([0; 512], black_box(Default::default()));
    let session = black_box(session);
    let _ = black_box(&session.ready());
    loop {
        let space = session.space();
        let read = black_box(space.len());
        match &session.received(read) {
            Ok(Some(notification)) => {
                black_box(notification);
                black_box(&notification.event());
                answer(&session.reply_and_ready(&supervisor_events::Reply::new(black_box(b"OK"))));
            }
            Ok(None) => {}
            Err(error) => {
                black_box(error);
                return;
            }
        }
        if black_box(false) {
            black_box(&session.end());
        }
    }
}

#[cfg(any(feature = "replies", feature = "session"))]
fn answer(answer: &Result<supervisor_events::EncodedReply<'_>, supervisor_events::TurnError>) {
    let mut buffer = [0; 32];
    if let Ok(answer) = answer {
        let _ = black_box(answer.write_to(&mut buffer));
    }
}
