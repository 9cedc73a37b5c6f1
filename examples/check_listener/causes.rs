//! The known mistakes of listeners, and how to fix them.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// supervisord copes with it, but somebody should look at it.
    Warned,
    Failed,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Warned => "warned",
            Self::Failed => "failed",
        }
    }
}

/// A known mistake.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    pub id: &'static str,
    pub severity: Severity,
    pub advice: &'static str,
}

macro_rules! causes {
    ($($name:ident $severity:ident $id:literal: $advice:literal;)*) => {
        $(pub const $name: &Cause = &Cause { id: $id, severity: Severity::$severity, advice: $advice };)*
    };
}

causes! {
    TRAILING_NEWLINE Failed "trailing-newline":
        "A newline follows READY or the data of RESULT, as println or print adds one: write the exact bytes, and nothing after them.";
    READY_TWICE Failed "ready-twice":
        "READY was written twice: write it once at the start, and once after each RESULT.";
    BANNER Failed "banner-before-ready":
        "Something was written before the first READY: standard output is for the protocol alone; write banners and logs to standard error, and no byte order mark at all.";
    READY_CRLF Failed "ready-crlf":
        "READY ends with a carriage return and a newline: end it with a newline alone; set the output to binary, or to Unix newlines.";
    LENGTH_IN_CHARACTERS Failed "result-length-in-characters":
        "The number after RESULT counts characters: encode the data first, and count its bytes.";
    RESULT_LENGTH Failed "result-length-wrong":
        "The number after RESULT is not the number of bytes that follow: count the bytes of the data, without a newline.";
    BAD_RESULT_LINE Failed "bad-result-line":
        "The answer is not a RESULT: write `RESULT`, a space, the number of bytes in decimal digits, a newline, and those bytes.";
    ODD_PREFIX Failed "odd-prefix":
        "The answer does not begin with `RESULT `: supervisor 4.3.0 happens to ignore that, but the protocol requires it, in capitals.";
    ODD_NUMBER Warned "odd-number":
        "The number after RESULT is not a plain decimal number: supervisor 4.3.0 reads it as Python does, but other servers may not.";
    EARLY_RESULT Failed "early-result":
        "The event was answered before all of it was written: read the whole payload first, in as many reads as it takes, even of events that do not matter; an early answer can crash supervisord.";
    PRINT_IN_HANDLER Failed "print-in-handler":
        "Something other than the answer was written while the event was handled: print and log to standard error.";
    INHERITED_STDOUT Failed "inherited-stdout":
        "Another process writes to the listener's standard output: give every child process a standard output of its own.";
    OUTLIVED_STDOUT Warned "stdout-outlives-listener":
        "The listener has ended, but a process that it started still holds its standard output: give every child process a standard output of its own.";
    OUTPUT_WHILE_READY Failed "output-while-ready":
        "Something was written without an event: write nothing between READY and the next event, not even from a thread or a timer.";
    UNASKED_RESULT Failed "unasked-result":
        "A RESULT was written without an event: answer each event once, then write READY.";
    READY_INSTEAD Failed "ready-instead-of-result":
        "READY was written before the event's RESULT: answer every event with a RESULT first, even one that does not matter.";
    CLOSED_OUTPUT Failed "closed-output":
        "The listener closed its standard output and is still running: supervisord can no longer hear it.";
    NO_FLUSH Failed "no-flush":
        "READY came only when the listener ended: flush standard output after each write.";
    NEVER_READY Failed "never-ready":
        "The listener is running, but nothing arrives. First check that standard output is flushed after READY, then that READY is written at all. If the listener takes even longer to start, raise `--timeout`.";
    SLOW Failed "slower-than-timeout":
        "The listener did what was expected, but later than this check waits. If it is meant to take this long, raise `--timeout`; supervisord waits without a limit, but its buffer of 10 events fills up.";
    NO_READY_AGAIN Failed "no-ready-again":
        "The event was answered, but READY did not follow: write READY after each RESULT, and flush.";
    ANSWERS_AT_END Failed "answers-only-at-end":
        "The answer came only when the input ended: flush standard output after each answer, and read exactly as much as `len` says (not a line, not to the end).";
    NEVER_ANSWERS Failed "never-answers":
        "The event was not answered, not even long after the timeout. First check that standard output is flushed after each answer, then that every event gets one. If the listener takes even longer, raise `--timeout`.";
    DIED Failed "died":
        "The listener ended instead of handling an event: see its standard error. If it calls supervisord back, set SUPERVISOR_SERVER_URL to a running one.";
    DIED_AT_START Failed "died-at-start":
        "The program ended before READY: see what it wrote, and its exit code. Is the command a listener, with all the arguments that it needs?";
    ENDS_AFTER_ANSWER Failed "ends-after-answer":
        "The listener ended after it had answered an event. supervisord has to start it again for the next one: that works only with autorestart=true and startsecs=0, costs a start each time, and loses events when the buffer overflows. Write READY again, and keep reading.";
    ENDS_WHILE_READY Failed "ends-while-ready":
        "The listener wrote READY and ended, though its input was open: wait for the next event without a limit, even after many events. supervisord has to start it again, which works only with autorestart=true.";
    SIGNALS_PARENT Failed "signals-parent":
        "The listener sends a signal to its parent, which is supervisord: SIGTERM, SIGINT and SIGQUIT end it and all that it runs, SIGHUP restarts it.";

    CRASH_ON_NON_ASCII Failed "crash-on-non-ascii":
        "The listener ended at an event that is not ASCII: read and write bytes, or UTF-8 whatever the locale.";
    LENGTH_IN_BYTES Failed "length-in-bytes":
        "The listener takes `len` for a number of bytes: supervisor 4 counts code points, so read that many characters of UTF-8.";
    HANG_ON_NON_ASCII Failed "hang-on-non-ascii":
        "An event that is not ASCII was not answered: `len` counts code points; the last one ends with its own last byte, not with the first byte of the next one.";
    SEVERAL_LINES Failed "several-lines":
        "An event whose payload has several lines was not handled: read as much as `len` says, and expect newlines in the data.";
    CONTROL_CHARACTERS Failed "control-characters":
        "An event with a NUL or a carriage return in its data was not handled: data may hold any character.";
    SPLIT_CHARACTER Failed "split-character":
        "A character whose bytes arrived in two pieces was not assembled: decode the payload once all of it has arrived.";
    CRASH_ON_SPACE Failed "crash-on-space-in-identifier":
        "supervisord's identifier may hold spaces: do not split the header at every space, but look for ` serial:` after `server:`.";
    SPLIT_ON_EVERY_COLON Failed "split-on-every-colon":
        "supervisord's identifier may hold colons, as in host:9001: split a token at its first colon only.";
    EMPTY_IDENTIFIER Failed "empty-identifier":
        "supervisord's identifier may be empty: allow for `server:` without a value.";
    NON_ASCII_IDENTIFIER Failed "non-ascii-identifier":
        "supervisord's identifier may be any UTF-8 text: read the header as UTF-8.";
    NAME_WITH_SPACE Failed "space-in-process-name":
        "A process's name may hold spaces (process_name is expanded): do not split the payload at every space, but look for ` groupname:` after `processname:`.";
    NAME_WITH_COLON Failed "colon-in-process-name":
        "A process's name may hold colons (process_name is expanded): split a token at its first colon only.";
    EMPTY_GROUP Failed "empty-groupname":
        "A group's name may be empty: allow for `groupname:` without a value.";
    EXIT_AT_UNKNOWN_EVENT Failed "exit-at-unknown-event":
        "The listener ended at an event of an unknown type: answer OK and continue; plugins and newer versions send other types.";
    IGNORES_UNKNOWN_EVENT Failed "unknown-event-unanswered":
        "An event of an unknown type was not answered: answer OK to every event.";
    UNKNOWN_TOKEN Warned "unknown-token":
        "The listener cannot handle a token that supervisor 4.3.0 does not send: skip unknown tokens; newer versions may send more.";
    EMPTY_PAYLOAD Failed "empty-payload":
        "An event without a payload, or without data, was not handled: with `len:0`, read nothing.";
    LARGE_PAYLOAD Failed "large-payload":
        "A large event was not handled: it arrives in pieces, so read until it is complete.";
    CHUNKING Failed "chunking":
        "An event that arrived in pieces was not handled: one read need not return a whole header or payload; read until it is complete.";
    SLOW_INPUT Failed "slow-input":
        "An event whose pieces arrived slowly was not handled, though it was when they arrived quickly: wait for the rest without a limit.";
    REDELIVERY Failed "redelivery":
        "A redelivered event, or one whose serial is not the next one, was not handled: numbers may repeat, jump and go back.";
    LARGE_NUMBERS Failed "large-numbers":
        "An event with large numbers was not handled: serial and poolserial go up to 9223372036854775807.";

    REJECTS Failed "rejects":
        "An event was answered with something other than OK, even when it came again. supervisord sends it again at once, endlessly, and to other pools. If the pool has its own result_handler that accepts such answers, use `--result-handler`.";
    REJECTS_AT_FIRST Warned "rejects-at-first":
        "An event was answered with something other than OK, and with OK when it came again: supervisord sends a rejected event again at once, and to other pools.";
    OUTPUT_AFTER_END Failed "output-after-end":
        "Something was written after the input had ended: end without further output.";
    HALF_EVENT Warned "answers-half-an-event":
        "The input ended inside an event, and the listener took it for a whole one: compare what was read with `len`, and do not act on a part.";
    RUNS_ON Failed "runs-on-at-end-of-input":
        "The listener keeps running after its input has ended: a read of zero bytes is the end, and supervisord is gone.";
    BAD_EXIT Warned "exit-code-at-end":
        "The input ended between two events, and the listener did not end with exit code 0: treat that as a clean end.";
    IGNORES_SIGTERM Failed "ignores-sigterm":
        "The listener keeps running after SIGTERM: supervisord kills it after stopwaitsecs, whatever it is doing.";
}
