//! Lines, what is acknowledged when, and what happens to the rest.

use bytes::Bytes;
use jiff::Timestamp;

use super::*;

const DEVICE: &str = "xt-1";

fn device() -> DeviceId {
    DEVICE.parse().expect("a name")
}

fn request(session: u64, identifier: u16, correlation: &str) -> Incoming {
    Incoming {
        device: device(),
        name: "pause".to_owned(),
        payload: Bytes::new(),
        retain: false,
        expiry_s: Some(30),
        at: Timestamp::UNIX_EPOCH,
        correlation: Some(Bytes::copy_from_slice(correlation.as_bytes())),
        response: Ok("responses/me".to_owned()),
        broker: broker(),
        receipt: Some(Receipt { session, identifier }),
    }
}

fn broker() -> Arc<str> {
    "main".into()
}

fn exchange() -> (Arc<Exchange>, u64) {
    let exchange = Arc::new(Exchange::default());
    exchange.add(&device(), true);
    let session = exchange.open_session();
    (exchange, session)
}

/// The next request, without waiting for one.
fn next(requests: &Requests, is_busy: bool) -> Option<Next> {
    requests.first(is_busy)
}

fn reasons(exchange: &Exchange) -> Vec<String> {
    let text = |answer: Answer| String::from_utf8_lossy(&answer.payload).into_owned();
    std::iter::from_fn(|| exchange.take(&broker())).map(text).collect()
}

#[test]
fn a_delivery_is_acknowledged_when_the_decision_is_kept_and_an_actor_that_failed_before_finds_it_again() {
    let (exchange, session) = exchange();
    exchange.submit(request(session, 7, "a")).expect("taken");
    let requests = exchange.listen(&device()).expect("a line");
    let first = next(&requests, false).expect("it waits");
    assert_eq!(exchange.settled(&broker(), session), [0; 0]);
    drop(requests);
    let requests = exchange.listen(&device()).expect("a line");
    assert_eq!(next(&requests, false), Some(first.clone()), "it was not decided about");
    requests.settled(&first);
    assert_eq!(exchange.settled(&broker(), session), [7]);
    assert_eq!(next(&requests, false), None);
}

#[test]
fn what_is_delivered_again_after_a_cut_waits_once_and_is_acknowledged_on_the_new_connection() {
    let (exchange, first) = exchange();
    exchange.submit(request(first, 7, "a")).expect("taken");
    let second = exchange.open_session();
    exchange.submit(request(second, 1, "a")).expect("taken");
    exchange.submit(request(second, 2, "b")).expect("taken");
    let requests = exchange.listen(&device()).expect("a line");
    for _ in 0..2 {
        let request = next(&requests, false).expect("it waits");
        requests.settled(&request);
    }
    assert_eq!(next(&requests, false), None, "two and not three");
    assert_eq!(exchange.settled(&broker(), second), [1, 2]);
}

#[test]
fn the_same_request_twice_on_one_connection_is_two_requests() {
    let (exchange, session) = exchange();
    exchange.submit(request(session, 1, "a")).expect("taken");
    exchange.submit(request(session, 2, "a")).expect("taken");
    let requests = exchange.listen(&device()).expect("a line");
    let request = next(&requests, false).expect("it waits");
    requests.settled(&request);
    assert!(next(&requests, false).is_some(), "the ledger refuses it, and says so");
}

#[test]
fn beyond_what_may_wait_requests_are_turned_away_also_while_a_command_is_under_way_and_beyond_that_answered() {
    let (exchange, session) = exchange();
    let all = u16::try_from(WAITING + TURNED_AWAY).expect("few");
    for identifier in 1..=all {
        exchange.submit(request(session, identifier, &identifier.to_string())).expect("taken");
    }
    assert_eq!(exchange.submit(request(session, 99, "z")), Err(NotTaken::Busy));
    assert_eq!(exchange.settled(&broker(), session), [99]);
    let said = reasons(&exchange);
    assert!(matches!(said.as_slice(), [one] if one.contains("busy")), "{said:?}");
    let requests = exchange.listen(&device()).expect("a line");
    let mut turned_away = 0;
    while let Some(request) = next(&requests, true) {
        assert!(matches!(request, Next::TurnAway(_)));
        requests.settled(&request);
        turned_away += 1;
    }
    assert_eq!(turned_away, TURNED_AWAY);
    assert_eq!(exchange.settled(&broker(), session).len(), TURNED_AWAY);
    assert!(matches!(next(&requests, false), Some(Next::Judge(_))));
}

#[test]
fn requests_to_no_device_and_to_one_that_is_taken_away_are_answered_and_acknowledged() {
    let (exchange, session) = exchange();
    exchange.submit(request(session, 1, "a")).expect("taken");
    exchange.remove(&device());
    assert_eq!(exchange.submit(request(session, 2, "b")), Err(NotTaken::NoDevice));
    assert_eq!(exchange.settled(&broker(), session), [1, 2]);
    let said = reasons(&exchange);
    assert!(said.len() == 2 && said.iter().all(|text| text.contains("no device of that name")), "{said:?}");
}
