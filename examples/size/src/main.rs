//! The smallest firmware that uses the crate, to see what it costs. It is linked and measured, not run: its input
//! comes from nowhere, and what it makes of it goes nowhere.
//!
//! Without features it is an empty loop; a feature says which part of the crate is in it.

#![no_std]
#![no_main]

use core::hint::black_box;

/// The linker finds no such function: a panic that can be reached is a link error.
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

/// The compiler's own functions that copy, fill, clear and compare memory: every firmware has them, and they are no part
/// of what is measured.
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

/// What a listener keeps besides the buffer for a header that comes in pieces. Bounded, and as a symbol, whose size can be
/// read from the binary.
#[cfg(feature = "listener")]
mod state {
    const BUFFER: usize = 512;
    const BESIDES_BUFFER: usize = size_of::<supervisor_events::Listener<BUFFER>>() - BUFFER;
    const _: () = assert!(BESIDES_BUFFER <= 64);

    #[unsafe(no_mangle)]
    #[used]
    static mut LISTENER_BESIDES_BUFFER: [u8; BESIDES_BUFFER] = [0; BESIDES_BUFFER];
}

#[cfg(feature = "listener")]
fn piece_by_piece() {
    #[cfg(feature = "replies")]
    use supervisor_events::Step;
    let mut listener = supervisor_events::Listener::<512>::new(black_box(Default::default()));
    while black_box(true) {
        let mut input: &[u8] = black_box(&[]);
        let _ = black_box(listener.ready());
        while let Ok(Some(step)) = advance(&mut listener, &mut input) {
            match black_box(step) {
                #[cfg(feature = "replies")]
                Step::Complete => answer(listener.reply_and_ready(supervisor_events::Reply::new(black_box(b"OK")))),
                _ => {}
            }
        }
        let _ = black_box(listener.end());
    }
}

/// With the feature `stack` a function by itself, whose stack can be told from its caller's.
#[cfg(feature = "listener")]
#[cfg_attr(feature = "stack", inline(never))]
fn advance<'a, 'i: 'a>(
    listener: &'a mut supervisor_events::Listener<512>,
    input: &mut &'i [u8],
) -> Result<Option<supervisor_events::Step<'a>>, supervisor_events::ProtocolError> {
    listener.advance(input)
}

#[cfg(feature = "session")]
fn whole() {
    let mut session = supervisor_events::Session::new([0; 512], black_box(Default::default()));
    while black_box(true) {
        let _ = black_box(session.ready());
        let space = session.space();
        let read = black_box(space.len());
        if let Ok(Some(notification)) = session.received(read) {
            let _ = black_box(notification.event());
            answer(session.reply_and_ready(supervisor_events::Reply::new(black_box(b"OK"))));
        }
        let _ = black_box(session.end());
    }
}

#[cfg(any(feature = "replies", feature = "session"))]
fn answer(answer: Result<supervisor_events::Answer<'_>, supervisor_events::TurnError>) {
    let mut buffer = [0; 32];
    if let Ok(answer) = answer {
        let _ = black_box(answer.write_to(&mut buffer));
    }
}
