//! The supervisor's end judges a listener's bytes as supervisor's own dispatcher did.
//!
//! Every file named `listener-output*.json` in `tests/ground-truth` is tested: a new one needs no change here.

use crate::cases;
use crate::fuzz::conserve::notify;
use crate::ground_truth::vectors;
use crate::judgement::check;
use supervisor_events::{
    EndlessResult, Envelope, LengthUnit, Listener, ListenerOutput, ListenerState, Quirk, Reply, Supervisor, TurnError,
    Violation,
};

#[test]
fn every_recorded_judgement() {
    let vectors = vectors("listener-output", cases(1, 40));
    vectors.iter().for_each(check);
    assert!(vectors.len() >= cases(490, 12), "{}", vectors.len());
}

fn heard(said: &[u8]) -> Vec<ListenerOutput<'_>> {
    let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
    supervisor.advance(&mut &b"READY\n"[..]);
    notify(&mut supervisor);
    let mut said = said;
    std::iter::from_fn(|| supervisor.advance(&mut said)).collect()
}

#[test]
fn quirks_are_reported_though_they_are_accepted() {
    let line = |quirk| {
        vec![
            ListenerOutput::ResultLine { len: 2, quirk },
            ListenerOutput::ResultData(b"OK"),
            ListenerOutput::Result { ok: true },
        ]
    };
    assert_eq!(heard(b"RESULT 2\nOK"), line(None));
    for odd in ["RESULT  2", "RESULT +2", "RESULT 02", "RESULT 0_2", "RESULT 2\r", "RESULT 2 "] {
        assert_eq!(heard(format!("{odd}\nOK").as_bytes()), line(Some(Quirk::Number)), "{odd}");
    }
    for odd in ["result 2", "RESULT:2", "1234567 2", "RESULTS2"] {
        assert_eq!(heard(format!("{odd}\nOK").as_bytes()), line(Some(Quirk::Prefix)), "{odd}");
    }
}

#[test]
fn violations_and_endless_results_are_told_apart() {
    assert_eq!(heard(b"RESULT -1\nOKREADY\n"), [ListenerOutput::EndlessResult(EndlessResult::NegativeLength)]);
    assert_eq!(heard(b"RESULT 99999999999999999999\nOK"), [ListenerOutput::EndlessResult(EndlessResult::HugeLength)]);
    assert_eq!(heard(b"RESULT \nOK"), [ListenerOutput::Violation(Violation::BadResultLine)]);
    assert_eq!(heard(format!("RESULT {}\n", "0".repeat(4300)).as_bytes()).len(), 1);
    assert_eq!(
        heard(format!("RESULT {}\nx", "0".repeat(4301)).as_bytes()),
        [ListenerOutput::Violation(Violation::BadResultLine)]
    );
    let newline = heard(b"RESULT 2\nOK\nREADY\n");
    assert_eq!(newline[3..], [ListenerOutput::Violation(Violation::NotReady(*b"\nREADY"))]);
    assert_eq!(heard(b"RESULT 2\nOKREADY\nR")[4..], [ListenerOutput::Violation(Violation::Spurious(b'R'))]);
}

#[test]
fn a_notification_out_of_turn_is_refused() {
    let envelope = Envelope { server: "s", serial: 0, pool: "p", poolserial: 0, eventname: "X", payload: b"" };
    let mut buffer = [0; 100];
    let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
    assert!(supervisor.notify(&envelope, &mut buffer).is_err());
    assert!(supervisor.notify_header(&envelope, &mut buffer).is_err());
    assert_eq!(supervisor.state(), ListenerState::Acknowledged, "a refused one changes nothing");
    supervisor.advance(&mut &b"READY\n"[..]);
    assert!(supervisor.notify(&envelope, &mut [0; 10]).is_err());
    assert_eq!(supervisor.state(), ListenerState::Ready, "a refused call changes nothing");
    assert!(supervisor.notify(&envelope, &mut buffer).is_ok());
    assert!(supervisor.notify(&envelope, &mut buffer).is_err());
    supervisor.advance(&mut &b"nonsense\n"[..]);
    assert_eq!(supervisor.state(), ListenerState::Unknown);
    assert!(supervisor.notify(&envelope, &mut buffer).is_err());
}

#[test]
fn a_wrong_answer_in_pieces_is_wrong() {
    for (one, other, expected) in [("O", "K", true), ("O", "X", false), ("X", "K", false), ("OK", "", true)] {
        let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
        supervisor.advance(&mut &b"READY\n"[..]);
        notify(&mut supervisor);
        let mut last = None;
        for piece in ["RESULT 2\n", one, other] {
            let mut input = piece.as_bytes();
            while let Some(heard) = supervisor.advance(&mut input) {
                last = Some(heard);
            }
        }
        assert_eq!(last, Some(ListenerOutput::Result { ok: expected }), "{one}, {other}");
    }
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    let violations = [
        (
            Violation::NotReady(*b"\nREADY"),
            "'\\nREADY' instead of READY; the last RESULT was probably printed with a newline after it",
        ),
        (Violation::NotReady(*b"hello\n"), "'hello\\n' instead of READY"),
        (Violation::Spurious(b'R'), "'R', although no event was sent"),
        (Violation::BadResultLine, "a line without a length instead of RESULT"),
        (Violation::HandlerFailed, "the result_handler failed"),
    ];
    for (violation, sentence) in violations {
        assert_eq!(violation.to_string(), sentence);
    }
    assert_eq!(EndlessResult::NegativeLength.to_string(), "a RESULT of negative length never ends");
    assert_eq!(EndlessResult::HugeLength.to_string(), "a RESULT that is longer than any listener can write never ends");

    let envelope = Envelope { server: "s", serial: 0, pool: "p", poolserial: 0, eventname: "X", payload: b"" };
    let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
    let refused = supervisor.notify(&envelope, &mut [0; 100]).unwrap_err();
    assert_eq!(refused.to_string(), "no event may be sent: the listener is ACKNOWLEDGED");
    supervisor.advance(&mut &b"READY\n"[..]);
    let refused = supervisor.notify(&envelope, &mut [0; 10]).unwrap_err();
    assert!(refused.to_string().starts_with("the buffer is too small: "), "{refused}");

    let mut listener = Listener::new(LengthUnit::CodePoints);
    let refused = listener.reply(&Reply::OK).unwrap_err();
    assert_eq!(refused.to_string(), "RESULT is not due: the listener is ACKNOWLEDGED and has no complete event");
    listener.ready().unwrap();
    assert_eq!(listener.ready().unwrap_err().to_string(), "READY is not due: the listener is READY");
    assert_eq!(TurnError::UnreadInput.to_string(), "READY is not due: input is unread");
    let error = listener.advance(&mut &b"what"[..]).unwrap_err();
    assert_eq!(listener.ready().unwrap_err().to_string(), error.to_string());
}
