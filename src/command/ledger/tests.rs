//! Pauses, their deadlines, and what must not be done twice.

use std::time::Duration;

use bytes::Bytes;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
}

fn settings() -> CommandSettings {
    CommandSettings { allow: Command::ALL.to_vec(), pause_max: Duration::from_secs(300), pause_stops_shaker: false }
}

fn asked(name: &str, payload: &str, correlation: &str) -> Incoming {
    Incoming {
        device: "xt-1".parse().expect("a name"),
        name: name.to_owned(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        retain: false,
        expiry_s: Some(30),
        at: at(0),
        correlation: Some(Bytes::copy_from_slice(correlation.as_bytes())),
        response: Ok("responses/me".to_owned()),
        broker: "local".into(),
        receipt: None,
    }
}

fn pause(correlation: &str) -> Incoming {
    asked("pause", r#"{"max_duration_s": 60}"#, correlation)
}

fn refusal(incoming: &Incoming) -> String {
    let handled = Ledger::default().judge(incoming, &settings(), at(1)).expect_err("refused");
    assert_eq!(handled.outcome, Outcome::Refused);
    handled.reason.expect("a reason")
}

#[test]
fn what_is_not_to_be_done_is_refused_with_its_reason() {
    let fine = pause("a");
    let cases = [
        (Incoming { retain: true, ..fine.clone() }, "retained"),
        (Incoming { expiry_s: None, ..fine.clone() }, "no message expiry"),
        (Incoming { expiry_s: Some(1), ..fine.clone() }, "expired"),
        (Incoming { correlation: None, ..fine.clone() }, "no correlation data"),
        (Incoming { correlation: Some(Bytes::from(vec![7; 65])), ..fine.clone() }, "65 bytes"),
        (Incoming { response: Err("no response topic".to_owned()), ..fine.clone() }, "no response topic"),
        (asked("stop", "", "a"), "there is no command `stop`"),
        (asked("pause", "{}", "a"), "max_duration_s"),
        (asked("pause", r#"{"max_duration_s": 301}"#, "a"), "allowed are 1 to 300"),
        (asked("pause", r#"{"max_duration_s": 0}"#, "a"), "allowed are 1 to 300"),
        (asked("add-comment", r#"{"text": "one\ntwo"}"#, "a"), "on one line"),
        (asked("continue", "[1]", "a"), "not understood"),
        (asked("continue", &" ".repeat(8193), "a"), "more than 8192 bytes"),
    ];
    for (incoming, wanted) in cases {
        let reason = refusal(&incoming);
        assert!(reason.contains(wanted), "{reason}");
    }
    let none = CommandSettings { allow: vec![Command::AddComment], ..settings() };
    let handled = Ledger::default().judge(&fine, &none, at(1)).expect_err("refused");
    assert!(handled.reason.expect("a reason").contains("does not allow `pause`"));
}

#[test]
fn correlation_data_stay_known_over_a_restart_and_refusals_do_not_use_them_up() {
    let mut ledger = Ledger::default();
    ledger.judge(&Incoming { retain: true, ..pause("a") }, &settings(), at(1)).expect_err("retained");
    ledger.judge(&pause("a"), &settings(), at(1)).expect("now it is fine");
    ledger.settle(CallResult::Done).expect("it was under way");
    let mut ledger = Ledger::restore(ledger.note().as_deref()).expect("a note");
    let again = ledger.judge(&asked("continue", "", "a"), &settings(), at(2)).expect_err("seen");
    assert!(again.reason.expect("a reason").contains("same correlation data"));
}

#[test]
fn a_pause_is_ended_at_its_deadline_also_when_the_daemon_was_restarted_before_the_answer() {
    let mut ledger = Ledger::default();
    let call = ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
    assert_eq!(call, Call::Pause { stop_shaker: false, max_s: 60 });
    assert_eq!(ledger.due(), None, "not while the instrument is asked");
    let mut ledger = Ledger::restore(ledger.note().as_deref()).expect("a note");
    let handled = ledger.restarted().expect("it was under way");
    assert_eq!((handled.outcome, handled.until), (Outcome::Unknown, Some(at(61))));
    assert_eq!(ledger.due(), Some(at(61)));
    let event = Uuid::from_u128(7);
    ledger.told_of_pause(event);
    assert_eq!(ledger.continued(CallResult::NotAsked("gone".into()), at(61)), Answered::Failing("gone".into()));
    assert_eq!(ledger.continued(CallResult::NotAsked("gone".into()), at(66)), Answered::Again);
    assert_eq!(ledger.due(), Some(at(71)));
    ledger.reached(at(68));
    assert_eq!(ledger.due(), Some(at(68)));
    let Answered::Over(over) = ledger.continued(CallResult::Done, at(68)) else { panic!("it is over") };
    assert_eq!((over.outcome, over.causation), (Outcome::Done, Some(event)));
    assert_eq!(ledger.due(), None);
}

#[test]
fn not_paused_is_believed_only_when_the_pause_cannot_come_any_more() {
    let mut ledger = Ledger::default();
    ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
    ledger.settle(CallResult::Done);
    assert_eq!(ledger.continued(CallResult::NotPaused, at(61)), Answered::Again);
    assert_eq!(ledger.due(), Some(at(66)));
    assert!(matches!(ledger.continued(CallResult::NotPaused, at(122)), Answered::Over(_)));
}

#[test]
fn a_pause_that_was_not_asked_for_is_not_in_force_and_one_that_failed_to_answer_is() {
    for (result, outcome, in_force) in [
        (CallResult::NotAsked("not connected".into()), Outcome::Failed, false),
        (CallResult::Refused("no".into()), Outcome::Failed, false),
        (CallResult::Unknown("cut".into()), Outcome::Unknown, true),
        (CallResult::Done, Outcome::Done, true),
    ] {
        let mut ledger = Ledger::default();
        ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
        assert_eq!(ledger.settle(result).expect("under way").outcome, outcome);
        assert_eq!(ledger.pause().is_some(), in_force);
    }
}

#[test]
fn a_continue_ends_the_pause_early_and_a_second_pause_waits_for_that() {
    let mut ledger = Ledger::default();
    ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
    ledger.settle(CallResult::Done);
    let second = ledger.judge(&pause("b"), &settings(), at(2)).expect_err("one is in force");
    assert!(second.reason.expect("a reason").contains("a pause is in force"));
    ledger.judge(&asked("continue", "{}", "c"), &settings(), at(3)).expect("fine");
    ledger.settle(CallResult::NotPaused);
    assert_eq!(ledger.due(), Some(at(61)), "what was not continued stays to be");
    ledger.judge(&asked("continue", "", "d"), &settings(), at(4)).expect("fine");
    ledger.settle(CallResult::Done);
    assert_eq!(ledger.due(), None);
}

#[test]
fn somebody_elses_continue_ends_the_pause_once_the_instrument_was_seen_to_stand() {
    let mut ledger = Ledger::default();
    ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
    ledger.settle(CallResult::Done);
    assert!(!ledger.goes_on(), "an older pause's end");
    assert!(ledger.stands());
    assert!(ledger.goes_on());
    assert_eq!(ledger.due(), None);
}
