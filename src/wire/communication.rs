//! The tags around data that a process sends as PROCESS_COMMUNICATION events.
//!
//! A process that supervisord runs with `stdout_capture_maxbytes` (or `stderr_capture_maxbytes`) above 0 sends an event
//! by writing data between these tags to its standard output (or error). supervisord keeps at most that many bytes of
//! it, the last ones.

/// Begins the data.
pub const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
/// Ends the data.
pub const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// The three pieces to write, in order, for one PROCESS_COMMUNICATION event. Write them at once, so that no output of
/// another thread gets between the tags.
///
/// `None` if the data holds the tag that ends it: supervisord would cut it there.
///
/// ```
/// use supervisor_events::communication;
///
/// let message = communication::parts(b"ALERT:HIGH_DRAWDOWN:genetic_engine:5.2%").unwrap().concat();
/// assert_eq!(message, b"<!--XSUPERVISOR:BEGIN-->ALERT:HIGH_DRAWDOWN:genetic_engine:5.2%<!--XSUPERVISOR:END-->");
/// assert!(communication::parts(b"<!--XSUPERVISOR:END-->").is_none());
/// ```
pub fn parts(data: &[u8]) -> Option<[&[u8]; 3]> {
    // The tag has one `<`, at its start, so it cannot overlap itself: the data's end cannot form an earlier tag with
    // it.
    let holds_end = memchr::memchr_iter(b'<', data).any(|at| data.get(at..).is_some_and(|rest| rest.starts_with(END)));
    (!holds_end).then_some([BEGIN, data, END])
}

/// Writes one PROCESS_COMMUNICATION event in one write, and flushes.
///
/// # Errors
///
/// Those of the writer; [`InvalidInput`](std::io::ErrorKind::InvalidInput) if the data holds the tag that ends it.
///
/// ```
/// # use supervisor_events::communication;
/// let mut stdout = Vec::new(); // std::io::stdout().lock()
/// communication::write(&mut stdout, b"SIGNAL:ENTRY:strategy-7:BTC")?;
/// assert!(stdout.starts_with(communication::BEGIN));
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(feature = "std")]
pub fn write(writer: &mut impl std::io::Write, data: &[u8]) -> std::io::Result<()> {
    let parts = parts(data)
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "the data holds the tag that ends it"))?;
    writer.write_all(&parts.concat())?;
    writer.flush()
}
