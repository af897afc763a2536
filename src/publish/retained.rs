//! Which retained topics are due: all on a new connection, what changed, and what would expire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Topic;

/// Changes are looked for at most this often, so that a device that makes thousands of events in a second does not
/// make as many states.
const PACE: Duration = Duration::from_millis(500);
/// A topic that the broker refused is tried again after this long.
const RETRY: Duration = Duration::from_secs(60);

/// What is retained at the broker, as far as this connection knows.
#[derive(Debug)]
pub struct Shelf {
    /// Topics below the site's prefix, with what was published last and when.
    topics: BTreeMap<Arc<str>, Kept>,
    /// To be handed over, oldest first; each topic once.
    queue: VecDeque<Due>,
    queued: BTreeSet<Arc<str>>,
    refresh: Duration,
    last_round: Option<Instant>,
    /// The earliest `due` of all topics; asked for at every event, so kept.
    due: Option<Instant>,
    /// Something may have changed since the last round.
    stale: bool,
    /// Topics that the broker refused last.
    denied: BTreeSet<Arc<str>>,
}

#[derive(Debug)]
struct Kept {
    version: u64,
    expires: bool,
    due: Option<Instant>,
}

/// A topic that is to be published as it is now, or cleared where it is none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The topic below root and site.
    pub topic: Arc<str>,
    /// Whether it expires at the broker unless it is refreshed.
    pub expires: bool,
}

impl Shelf {
    /// For a new connection: everything is due. States expire after `expiry` and are refreshed at a third of it.
    pub fn new(expiry: Duration) -> Self {
        let refresh = expiry / 3;
        Self {
            topics: BTreeMap::new(),
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
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
    pub fn round(&mut self, wanted: Vec<Topic>, now: Instant) {
        self.stale = false;
        self.last_round = Some(now);
        let mut before = std::mem::take(&mut self.topics);
        for Topic { topic, version, expires } in wanted {
            let mut kept = before.remove(&topic).filter(|kept| kept.version == version);
            if kept.as_ref().is_none_or(|kept| kept.due.is_some_and(|due| due <= now)) {
                kept = Some(Kept { version, expires, due: expires.then_some(now + self.refresh) });
                self.queue(Due { topic: Arc::clone(&topic), expires });
            }
            self.topics.extend(kept.map(|kept| (topic, kept)));
        }
        before.into_keys().for_each(|topic| self.clear(topic));
        self.find_due();
    }

    fn find_due(&mut self) {
        self.due = self.topics.values().filter_map(|kept| kept.due).min();
    }

    /// Queues the removal of a topic.
    pub fn clear(&mut self, topic: Arc<str>) {
        self.queue(Due { topic, expires: false });
    }

    fn queue(&mut self, due: Due) {
        if self.queued.insert(Arc::clone(&due.topic)) {
            self.queue.push_back(due);
        }
    }

    /// The next topic to hand over.
    pub fn next(&mut self) -> Option<Due> {
        let due = self.queue.pop_front()?;
        self.queued.remove(&due.topic);
        Some(due)
    }

    /// Notes that the broker refused a topic; whether it did not do so before.
    pub fn refused(&mut self, topic: &str, now: Instant) -> bool {
        if let Some(kept) = self.topics.get_mut(topic) {
            kept.due = Some(now + RETRY);
            self.find_due();
        }
        self.denied.insert(topic.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(topic: &str, version: u64, expires: bool) -> Topic {
        Topic { topic: topic.into(), version, expires }
    }

    fn drain(shelf: &mut Shelf) -> Vec<String> {
        std::iter::from_fn(|| shelf.next()).map(|due| due.topic.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn all_at_first_then_what_changed_then_what_would_expire() {
        let mut shelf = Shelf::new(Duration::from_secs(90));
        let start = Instant::now();
        assert_eq!(shelf.next_round(start), Some(start));
        let both = |state: u64| vec![topic("d/info", 1, false), topic("d/state", state, true)];
        shelf.round(both(1), start);
        assert_eq!(drain(&mut shelf), ["d/info", "d/state"]);
        assert_eq!(shelf.next_round(start), Some(start + Duration::from_secs(30)));

        shelf.changed();
        assert_eq!(shelf.next_round(start), Some(start + PACE));
        shelf.round(both(2), start + PACE);
        assert_eq!(drain(&mut shelf), ["d/state"]);
        shelf.round(both(2), start + PACE);
        assert!(drain(&mut shelf).is_empty(), "nothing changed");

        let later = start + PACE + Duration::from_secs(30);
        assert_eq!(shelf.next_round(later), Some(later));
        shelf.round(both(2), later);
        assert_eq!(drain(&mut shelf), ["d/state"], "refreshed though nothing changed");

        shelf.round(vec![topic("d/info", 1, false)], later);
        assert_eq!(drain(&mut shelf), ["d/state"], "no longer wanted: cleared");

        assert!(shelf.refused("d/info", later), "said once");
        assert!(!shelf.refused("d/info", later));
        shelf.round(vec![topic("d/info", 1, false)], later + RETRY);
        assert_eq!(drain(&mut shelf), ["d/info"]);
        shelf.taken("d/info");
        assert_eq!(shelf.next_round(later), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_waits_only_once() {
        let mut shelf = Shelf::new(Duration::from_secs(90));
        let now = Instant::now();
        for version in 0..5 {
            shelf.round(vec![topic("d/state", version, true)], now);
        }
        shelf.round(Vec::new(), now);
        assert_eq!(drain(&mut shelf), ["d/state"]);
        shelf.round(vec![topic("d/state", 5, true)], now);
        assert_eq!(drain(&mut shelf), ["d/state"], "it may wait again");
    }
}
