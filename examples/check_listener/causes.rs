//! What can be wrong with a listener, and how to mend it.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// supervisord copes, but somebody should look at it.
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
        "A newline follows READY or the data of RESULT, as println or print adds it: write the exact bytes, and nothing behind them.";
    READY_TWICE Failed "ready-twice":
        "READY was said while READY: say it once at the start, and once after each RESULT.";
    BANNER Failed "banner-before-ready":
        "Something was written before the first READY: standard output is for the protocol alone; a banner, a log or a byte order mark belongs on standard error or nowhere.";
    READY_CRLF Failed "ready-crlf":
        "READY ends with a carriage return and a newline: end it with a newline alone; set the output to binary or to Unix newlines.";
    LENGTH_IN_CHARACTERS Failed "result-length-in-characters":
        "The number after RESULT counts characters: encode the data first, and count its bytes.";
    RESULT_LENGTH Failed "result-length-wrong":
        "The number after RESULT is not that of the bytes that follow: count the bytes of the data, without a newline.";
    BAD_RESULT_LINE Failed "bad-result-line":
        "The answer is not a RESULT: write `RESULT`, a space, the number of bytes in decimal digits, a newline, and those bytes.";
    ODD_PREFIX Failed "odd-prefix":
        "The answer's line does not begin with `RESULT `: supervisor 4.3.0 happens not to look at it, but the protocol wants it in capitals.";
    ODD_NUMBER Warned "odd-number":
        "The number after RESULT is more than decimal digits: supervisor 4.3.0 takes it as Python would, others need not.";
    EARLY_RESULT Failed "early-result":
        "The event was answered before all of it was written: read the whole payload first, in as many reads as it takes, also of events that do not matter; supervisord can die of this.";
    PRINT_IN_HANDLER Failed "print-in-handler":
        "Something else than the answer was written while the event was handled: print and log to standard error.";
    INHERITED_STDOUT Failed "inherited-stdout":
        "Another process writes to the listener's standard output: give every child process a standard output of its own.";
    OUTLIVED_STDOUT Warned "stdout-outlives-listener":
        "The listener has ended, but a process that it started still holds its standard output: give every child process one of its own.";
    OUTPUT_WHILE_READY Failed "output-while-ready":
        "Something was written while no event was there: nothing may be written between READY and the next event, not from a thread or a timer either.";
    UNASKED_RESULT Failed "unasked-result":
        "A RESULT was written that no event asked for: answer each event once, and say READY after that.";
    READY_INSTEAD Failed "ready-instead-of-result":
        "READY was said, and the event had no RESULT: answer every event with a RESULT first, also one that does not matter.";
    CLOSED_OUTPUT Failed "closed-output":
        "The listener closed its standard output and runs on: supervisord cannot hear it any more.";
    NO_FLUSH Failed "no-flush":
        "READY came only when the listener ended: flush standard output after each write.";
    NEVER_READY Failed "never-ready":
        "The listener runs, but nothing arrives. First see whether standard output is flushed after READY; then, whether READY is written at all. If the listener takes longer still to start, raise `--timeout`.";
    SLOW Failed "slower-than-timeout":
        "What was due came, but later than this check waits. If the listener is meant to take so long, allow for it with `--timeout SECONDS`; supervisord waits without a limit, but its buffer of 10 events fills up.";
    NO_READY_AGAIN Failed "no-ready-again":
        "The event was answered, but READY did not follow: say READY after each RESULT, and flush.";
    ANSWERS_AT_END Failed "answers-only-at-end":
        "The answer came only when the input ended: flush standard output after each answer, and read exactly as much as `len` says (not a line, not to the end).";
    NEVER_ANSWERS Failed "never-answers":
        "The event was not answered, not even long after the timeout. First see whether standard output is flushed after each answer; then, whether every event gets one. If the listener takes longer still, raise `--timeout`.";
    DIED Failed "died":
        "The listener ended where it should have handled an event: see its standard error. If it calls supervisord back, start this with SUPERVISOR_SERVER_URL set to one that runs.";
    DIED_AT_START Failed "died-at-start":
        "The program ended before it said READY: see what it wrote, and its exit code. Is the command a listener, with all arguments that it needs?";
    ENDS_AFTER_ANSWER Failed "ends-after-answer":
        "The listener ended after it had answered an event. supervisord has to start it again for the next one: that works with autorestart=true and startsecs=0 only, costs a start each time, and loses events when the buffer overflows. Say READY again, and read on.";
    ENDS_WHILE_READY Failed "ends-while-ready":
        "The listener said READY and ended, though its input was open: wait for the next event without a limit, also after many. supervisord has to start it again, and that works with autorestart=true only.";
    SIGNALS_PARENT Failed "signals-parent":
        "The listener sends a signal to its parent. Under supervisord that is supervisord: SIGTERM, SIGINT and SIGQUIT end it with all that it runs, SIGHUP starts it anew.";

    CRASH_ON_NON_ASCII Failed "crash-on-non-ascii":
        "The listener ended at an event that is not ASCII: read and write bytes, or UTF-8 whatever the locale says.";
    LENGTH_IN_BYTES Failed "length-in-bytes":
        "`len` is taken for a number of bytes: supervisor 4 counts code points, so read that many characters of UTF-8.";
    HANG_ON_NON_ASCII Failed "hang-on-non-ascii":
        "An event that is not ASCII was not answered: `len` counts code points; the last one ends with its own last byte, not with the next one's first.";
    SEVERAL_LINES Failed "several-lines":
        "An event whose payload has several lines was not handled, though all of it is ASCII: read as much as `len` says, and expect newlines in the data.";
    CONTROL_CHARACTERS Failed "control-characters":
        "An event with a NUL or a carriage return in its data was not handled: data may hold any character.";
    SPLIT_CHARACTER Failed "split-character":
        "A character whose bytes came in two pieces was not put together again: decode the payload when all of it is there.";
    CRASH_ON_SPACE Failed "crash-on-space-in-identifier":
        "supervisord's identifier may hold spaces: do not split the header at every space, but look for ` serial:` after `server:`.";
    SPLIT_ON_EVERY_COLON Failed "split-on-every-colon":
        "supervisord's identifier may hold colons, as in host:9001: split a token at its first colon only.";
    EMPTY_IDENTIFIER Failed "empty-identifier":
        "supervisord's identifier may be empty: allow for `server:` without a value.";
    NON_ASCII_IDENTIFIER Failed "non-ascii-identifier":
        "supervisord's identifier may be any UTF-8: read the header as such.";
    NAME_WITH_SPACE Failed "space-in-process-name":
        "A process's name may hold spaces (process_name is expanded): do not split the payload at every space, but look for ` groupname:` after `processname:`.";
    NAME_WITH_COLON Failed "colon-in-process-name":
        "A process's name may hold colons (process_name is expanded): split a token at its first colon only.";
    EMPTY_GROUP Failed "empty-groupname":
        "A group's name may be empty: allow for `groupname:` without a value.";
    EXIT_AT_UNKNOWN_EVENT Failed "exit-at-unknown-event":
        "The listener ended at an event of a type that it does not know: answer OK and go on; plugins and newer versions send others.";
    IGNORES_UNKNOWN_EVENT Failed "unknown-event-unanswered":
        "An event of an unknown type was not answered: answer OK to every event.";
    UNKNOWN_TOKEN Warned "unknown-token":
        "The listener does not get past a token that supervisor 4.3.0 does not send: skip what is unknown; newer versions may send more.";
    EMPTY_PAYLOAD Failed "empty-payload":
        "An event without a payload, or without data, was not handled: with `len:0` nothing is to be read.";
    LARGE_PAYLOAD Failed "large-payload":
        "A large event was not handled: it comes in pieces, so read until all of it is there.";
    CHUNKING Failed "chunking":
        "An event that came in pieces was not handled: one read need not give a whole header or payload; read on until it is there.";
    SLOW_INPUT Failed "slow-input":
        "An event whose pieces came slowly was not handled, though it is when they come at once: wait for the rest without a limit.";
    REDELIVERY Failed "redelivery":
        "An event that came again, or whose serial is not the next one, was not handled: numbers may repeat, jump and go back.";
    LARGE_NUMBERS Failed "large-numbers":
        "An event with large numbers was not handled: serial and poolserial go up to 9223372036854775807.";

    REJECTS Failed "rejects":
        "An event was answered with something else than OK, also when it came again. supervisord sends it again at once, for ever, and to other pools. If the pool has a result_handler of its own that takes such answers, say `--result-handler`.";
    REJECTS_AT_FIRST Warned "rejects-at-first":
        "An event was answered with something else than OK, and with OK when it came again: supervisord sends it again at once, and to other pools.";
    OUTPUT_AFTER_END Failed "output-after-end":
        "Something was written after the input had ended: end without a word.";
    HALF_EVENT Warned "answers-half-an-event":
        "The input ended inside an event, and the listener took it for a whole one: compare what was read with `len`, and do not act on less.";
    RUNS_ON Failed "runs-on-at-end-of-input":
        "The listener runs on after its input has ended: a read of no bytes is the end, and supervisord is gone.";
    BAD_EXIT Warned "exit-code-at-end":
        "The input ended between two events, and the listener did not end with exit code 0: take the end of input there for a clean end.";
    IGNORES_SIGTERM Failed "ignores-sigterm":
        "The listener runs on after SIGTERM: supervisord kills it after stopwaitsecs, and with it what it was doing.";
}
