//! Requests for rows once more, and their answers.

#[path = "support/broker.rs"]
mod broker;
#[path = "support/outbox.rs"]
mod outbox;
#[path = "support/packet.rs"]
mod packet;

use broker::{Broker, Script, Seen};
use outbox::{Daemon, JOURNAL, Rows, settings, start};
use packet::{Properties, Publish};

const REQUESTS: &str = "instrumentd/v1/lab/nodes/here/requests/replay";

fn request(payload: String, response_topic: Option<&str>, retain: bool) -> Publish {
    let properties = Properties {
        response_topic: response_topic.map(str::to_owned),
        correlation: Some(b"42".to_vec()),
        ..Properties::default()
    };
    Publish { topic: REQUESTS.into(), payload: payload.into(), qos: 1, retain, dup: false, id: 9, properties }
}

fn answers(seen: &[(usize, Seen)]) -> Vec<Publish> {
    let answer = |seen: &(usize, Seen)| match &seen.1 {
        Seen::Publish(publish, _) if publish.topic.contains("/replies/") => Some(publish.clone()),
        _ => None,
    };
    seen.iter().filter_map(answer).collect()
}

#[tokio::test]
async fn rows_are_replayed_on_request() {
    let broker = Broker::start(Script::default()).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    for _ in 0..40 {
        rows.add("one", 10);
    }
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 40).await;
    rows.forget("one", 5..=6);
    let reply = "instrumentd/v1/lab/replies/me";
    let asked = format!(r#"{{"device":"one","journal":"{JOURNAL}","from":3,"to":"00000000000000000012"}}"#);
    broker.send(&request(asked, Some(reply), false));
    let is_last = |p: &Publish| p.properties.content_type.as_deref() == Some("application/json");
    broker.until("the last message", |seen| answers(seen).iter().any(is_last)).await;
    let got = answers(&broker.seen());
    assert!(got.iter().all(|p| p.topic == reply && p.properties.correlation.as_deref() == Some(b"42") && !p.retain));
    let (last, events) = got.split_last().expect("answers");
    let sequences: Vec<u64> = events
        .iter()
        .map(|p| {
            serde_json::from_slice::<serde_json::Value>(&p.payload).expect("JSON")["data"]["n"].as_u64().expect("n")
        })
        .collect();
    assert_eq!(sequences, [3, 4, 7, 8, 9, 10, 11, 12]);
    let seven = outbox::event(&"one".parse().expect("valid"), 7, 10);
    assert_eq!(events[2].payload, seven, "the same bytes as stored");
    let last: serde_json::Value = serde_json::from_slice(&last.payload).expect("JSON");
    assert_eq!(last["count"], 8);
    assert_eq!((&last["first"], &last["last"]), (&3.into(), &12.into()));
    assert_eq!(last["missing"], serde_json::json!([{"from": 5, "to": 6}]));
    running.stop().await;
    assert_eq!(broker.breaches(), [""; 0]);
}

#[tokio::test]
async fn requests_that_cannot_be_answered_are_refused_with_a_reason() {
    let broker = Broker::start(Script::default()).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 1).await;
    let reply = "instrumentd/v1/lab/replies/me";
    let good = format!(r#"{{"device":"one","journal":"{JOURNAL}","from":1,"to":1}}"#);
    let other = "00000000-0000-0000-0000-000000000009";
    // These have nowhere to be answered to.
    broker.send(&request(good.clone(), None, false));
    broker.send(&request(good.clone(), Some("instrumentd/v1/lab/replies/#"), false));
    broker.send(&request(good.clone(), Some("elsewhere/replies/me"), false));
    broker.send(&request(good.clone(), Some("instrumentd/v1/lab/replies-not/me"), false));
    let refused = [
        (good.clone(), true, "retained"),
        ("nonsense".into(), false, "not understood"),
        (good.replace(&JOURNAL.to_string(), other), false, "this journal is"),
        (good.replace("one", "nine"), false, "no device `nine`"),
        (good.replace("\"to\":1", "\"to\":1000001"), false, "1000001 rows"),
        (good.replace("\"from\":1", "\"from\":0"), false, "`from`"),
    ];
    for (payload, retain, _) in &refused {
        broker.send(&request(payload.clone(), Some(reply), *retain));
    }
    broker.until("the refusals", |seen| answers(seen).len() >= refused.len()).await;
    let got = answers(&broker.seen());
    for (answer, (_, _, reason)) in got.iter().zip(&refused) {
        let text = String::from_utf8_lossy(&answer.payload);
        assert!(text.contains("refused") && text.contains(reason), "{text} does not say {reason}");
    }
    running.stop().await;
    assert_eq!(broker.breaches(), [""; 0]);
}
