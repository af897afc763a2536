//! Which retained topics are due: all on a new connection, what changed, and what would expire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Retained;

/// Changes are looked for at most this often, so that a device that makes thousands of events in a second does not
/// make as many states.
const PACE: Duration = Duration::from_millis(500);
/// A topic that the broker refused is tried again after this long.
const RETRY: Duration = Duration::from_secs(60);

/// What is retained at the broker, as far as this connection knows.
#[derive(Debug)]
pub struct Shelf {
    /// Topics below the site's prefix, with what was published last and when.
    topics: BTreeMap<String, Kept>,
    /// To be handed over, oldest first. Holds at most one message for each topic.
    queue: VecDeque<Retained>,
    refresh: Duration,
    last_round: Option<Instant>,
    /// The earliest `due` of all topics; asked for at every event, so kept.
    due: Option<Instant>,
    /// Something may have changed since the last round.
    stale: bool,
    /// Topics that the broker refused last.
    denied: BTreeSet<String>,
}

#[derive(Debug)]
struct Kept {
    payload: Vec<u8>,
    expires: bool,
    due: Option<Instant>,
}

impl Shelf {
    /// For a new connection: everything is due. States expire after `expiry` and are refreshed at a third of it.
    pub fn new(expiry: Duration) -> Self {
        let refresh = expiry / 3;
        Self {
            topics: BTreeMap::new(),
            queue: VecDeque::new(),
            refresh,
            last_round: None,
            due: None,
            stale: true,
            denied: BTreeSet::new(),
        }
    }

    /// Notes that something may have changed.
    pub fn changed(&mut self) {
        self.stale = true;
    }

    /// When the next round is.
    pub fn next_round(&self, now: Instant) -> Option<Instant> {
        let changed = self.stale.then(|| self.last_round.map_or(now, |last| last + PACE));
        [self.due, changed].into_iter().flatten().min()
    }

    /// Compares what should be retained with what is, and queues what is due. A topic that is no longer wanted is
    /// cleared.
    pub fn round(&mut self, wanted: Vec<Retained>, now: Instant) {
        self.stale = false;
        self.last_round = Some(now);
        let gone: Vec<String> =
            self.topics.keys().filter(|topic| !wanted.iter().any(|w| w.topic == **topic)).cloned().collect();
        for topic in gone {
            self.topics.remove(&topic);
            self.clear(topic);
        }
        for message in wanted {
            let due =
                |kept: &Kept| kept.due.is_some_and(|due| due <= now) || says_other(&kept.payload, &message.payload);
            if self.topics.get(&message.topic).is_none_or(due) {
                let kept = Kept {
                    payload: message.payload.clone(),
                    expires: message.expires,
                    due: message.expires.then_some(now + self.refresh),
                };
                self.topics.insert(message.topic.clone(), kept);
                self.queue(message);
            }
        }
        self.find_due();
    }

    fn find_due(&mut self) {
        self.due = self.topics.values().filter_map(|kept| kept.due).min();
    }

    /// Queues the removal of a topic.
    pub fn clear(&mut self, topic: String) {
        self.queue(Retained { topic, payload: Vec::new(), expires: false });
    }

    fn queue(&mut self, message: Retained) {
        match self.queue.iter_mut().find(|queued| queued.topic == message.topic) {
            Some(queued) => *queued = message,
            None => self.queue.push_back(message),
        }
    }

    /// The next message to hand over.
    pub fn next(&mut self) -> Option<Retained> {
        self.queue.pop_front()
    }

    /// Notes that the broker refused a topic; whether it did not do so before.
    pub fn refused(&mut self, topic: &str, now: Instant) -> bool {
        if let Some(kept) = self.topics.get_mut(topic) {
            kept.due = Some(now + RETRY);
            self.find_due();
        }
        self.denied.insert(topic.to_owned())
    }

    /// Notes that the broker took a topic that had been refused.
    pub fn taken(&mut self, topic: &str) {
        self.denied.remove(topic);
        if let Some(kept) = self.topics.get_mut(topic)
            && !kept.expires
            && kept.due.take().is_some()
        {
            self.find_due();
        }
    }
}

/// Whether two messages differ in more than when they were made: with many devices, each change of one would
/// otherwise publish them all.
fn says_other(before: &[u8], now: &[u8]) -> bool {
    let content = |payload| {
        let mut value: serde_json::Value = serde_json::from_slice(payload).ok()?;
        value.as_object_mut()?.remove("made_at");
        Some(value)
    };
    before != now && content(before).zip(content(now)).is_none_or(|(before, now)| before != now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &str, expires: bool) -> Retained {
        Retained { topic: topic.into(), payload: payload.into(), expires }
    }

    fn drain(shelf: &mut Shelf) -> Vec<(String, String)> {
        std::iter::from_fn(|| shelf.next()).map(|m| (m.topic, String::from_utf8(m.payload).expect("text"))).collect()
    }

    fn pair(topic: &str, payload: &str) -> (String, String) {
        (topic.into(), payload.into())
    }

    #[tokio::test(start_paused = true)]
    async fn all_at_first_then_what_changed_then_what_would_expire() {
        let mut shelf = Shelf::new(Duration::from_secs(90));
        let start = Instant::now();
        assert_eq!(shelf.next_round(start), Some(start));
        let both = |state: &str| vec![message("d/info", "i", false), message("d/state", state, true)];
        shelf.round(both("1"), start);
        assert_eq!(drain(&mut shelf), [pair("d/info", "i"), pair("d/state", "1")]);
        assert_eq!(shelf.next_round(start), Some(start + Duration::from_secs(30)));

        shelf.changed();
        assert_eq!(shelf.next_round(start), Some(start + PACE));
        shelf.round(both("2"), start + PACE);
        assert_eq!(drain(&mut shelf), [pair("d/state", "2")]);

        let later = start + PACE + Duration::from_secs(30);
        assert_eq!(shelf.next_round(later), Some(later));
        shelf.round(both("2"), later);
        assert_eq!(drain(&mut shelf), [pair("d/state", "2")], "refreshed though nothing changed");

        shelf.round(vec![message("d/info", "i", false)], later);
        assert_eq!(drain(&mut shelf), [pair("d/state", "")], "no longer wanted: cleared");

        assert!(shelf.refused("d/info", later), "said once");
        assert!(!shelf.refused("d/info", later));
        shelf.round(vec![message("d/info", "i", false)], later + RETRY);
        assert_eq!(drain(&mut shelf), [pair("d/info", "i")]);
        shelf.taken("d/info");
        assert_eq!(shelf.next_round(later), None);
    }

    #[test]
    fn only_the_time_of_making_is_no_change() {
        assert!(!says_other(br#"{"made_at":"1","a":1}"#, br#"{"made_at":"2","a":1}"#));
        assert!(says_other(br#"{"made_at":"1","a":1}"#, br#"{"made_at":"2","a":2}"#));
        assert!(says_other(b"no json", b"neither"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_waits_only_once() {
        let mut shelf = Shelf::new(Duration::from_secs(90));
        let now = Instant::now();
        for n in 0..5 {
            shelf.round(vec![message("d/state", &n.to_string(), true)], now);
        }
        assert_eq!(drain(&mut shelf), [pair("d/state", "4")]);
    }
}
