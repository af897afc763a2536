//! Following a subscription: each message once and in order, what did not come asked for again, first from the server's
//! retransmission queue, then from its history; what is in neither is told as lost.

use instrument_proto::device::v1::{EventFields, NotificationMessage};
use jiff::{SignedDuration, Timestamp};

use super::position::Position;
use super::room;
use super::sequence::{Arrival, arrival, next, previous};
use super::translate::{Content, Terms};
use super::{Gone, Notified, ServiceEvent, Way};
use crate::link::grpc::{Failure, Kind};

/// Messages that are asked for again one by one; where more are missing, or the queue is shorter, the history is asked at once.
const REPUBLISHED: u32 = 4096;

/// History is read from so much before the last event: events of one server need not come in the order of their times, and what
/// a gateway learns late, after its instrument was gone, stands there at the time when it happened.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);

/// Pages of history that are read at a time, at most.
const PAGES: usize = 10_000;

/// Messages that come again without a new one in between; more is no server.
const REPEATED: u32 = 10_000;

/// A page of history.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub events: Vec<EventFields>,
    /// Where it goes on; empty at the end.
    pub more: Vec<u8>,
    /// From when on the server still has everything; `None` where nothing was ever dropped.
    pub archive_start: Option<Timestamp>,
}

/// What can be asked of a server.
pub(super) trait Ask {
    /// A message once more; `None` where the server does not have it any more.
    async fn republish(&mut self, subscription: u32, number: u32) -> Result<Option<NotificationMessage>, Failure>;

    /// Events from a time on, or from where a page before ended; `None` where the server keeps no history of them.
    async fn history(&mut self, from: Timestamp, more: &[u8]) -> Result<Option<Page>, Failure>;
}

/// To whom it is told.
pub(super) trait Tell {
    /// Tells it; waits for room.
    async fn tell(&mut self, event: ServiceEvent) -> Result<(), Gone>;
}

/// Why following ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// The server.
    Failed(Failure),
    /// The subscription is gone at the server: another is made.
    NoSubscription(String),
    /// Nobody listens.
    Gone,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// A subscription that is followed.
pub(super) struct Following<'a, T> {
    pub terms: &'a Terms,
    pub position: &'a mut Position,
    pub tell: &'a mut T,
    pub peer: &'a str,
    pub repeated: u32,
}

impl<T: Tell> Following<'_, T> {
    /// A message of the stream.
    pub async fn take(&mut self, message: NotificationMessage, ask: &mut impl Ask) -> Result<(), Stop> {
        if message.subscription_id != self.position.subscription || message.sequence_number == 0 {
            return Err(self.nonsense("a message of another subscription, or without a number"));
        }
        let is_keep_alive = message.data_changes.is_empty() && message.events.is_empty();
        let expected = next(self.position.sequence);
        match arrival(expected, message.sequence_number) {
            Arrival::Next => {}
            Arrival::After(missing) => {
                let is_there = |range: &instrument_proto::device::v1::SequenceRange| {
                    (range.first..=range.last).contains(&expected)
                };
                let tells = !message.available_sequence_numbers.is_empty();
                let is_kept = !tells || message.available_sequence_numbers.iter().any(is_there);
                self.recover(missing.min(REPUBLISHED), is_kept && missing <= REPUBLISHED, ask).await?;
                // What could not be had is not asked for again.
                self.position.sequence = previous(message.sequence_number);
            }
            // A keep-alive carries the number to come, which never was: the server counts anew.
            Arrival::Repeated if is_keep_alive => {
                return Err(Stop::NoSubscription("its sequence numbers go backwards".to_owned()));
            }
            Arrival::Repeated => {
                self.repeated += 1;
                return match self.repeated {
                    REPEATED.. => Err(self.nonsense("the same messages again and again")),
                    _ => Ok(()),
                };
            }
        }
        if !is_keep_alive {
            self.repeated = 0;
            return self.deliver(message, Way::Live, ask).await;
        }
        Ok(())
    }

    /// Asks for `missing` messages from the next one on, and for history where they are not to be had.
    async fn recover(&mut self, missing: u32, is_kept: bool, ask: &mut impl Ask) -> Result<(), Stop> {
        if is_kept {
            for _ in 0..missing {
                let number = next(self.position.sequence);
                match ask.republish(self.position.subscription, number).await? {
                    Some(message) if message.sequence_number == number => {
                        self.deliver(message, Way::Again, ask).await?;
                    }
                    Some(_) => return Err(self.nonsense("another message than the one that was asked for")),
                    None => return self.catch_up("messages that its queue no longer has", ask).await,
                }
            }
            return Ok(());
        }
        self.catch_up("messages that its queue no longer has", ask).await
    }

    /// Hands over what a message holds.
    async fn deliver(&mut self, message: NotificationMessage, way: Way, ask: &mut impl Ask) -> Result<(), Stop> {
        let number = message.sequence_number;
        let content = self.terms.message(message);
        let overflow = content.overflow;
        self.position.sequence = number;
        self.hand_over(content, way).await?;
        if overflow {
            self.catch_up("events that its full queue dropped", ask).await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self, content: Content, way: Way) -> Result<(), Stop> {
        let now = Timestamp::now();
        content.events.iter().for_each(|event| self.position.heard(event.time, now));
        let notified = Notified {
            values: content.values,
            events: content.events,
            foreign: content.foreign,
            position: self.position.clone(),
            way,
        };
        Ok(self.tell.tell(ServiceEvent::Notified(notified)).await?)
    }

    /// Reads the server's history from the last event that was heard on; what is older than it reaches is told as lost.
    pub async fn catch_up(&mut self, what: &str, ask: &mut impl Ask) -> Result<(), Stop> {
        let Some(heard) = self.position.time.or(self.position.since) else { return Ok(()) };
        self.read_history(heard, heard, Way::History, what, ask).await
    }

    /// Reads the server's history from a time on. From `needed` on it must be there.
    pub async fn read_history(
        &mut self,
        since: Timestamp,
        needed: Timestamp,
        way: Way,
        what: &str,
        ask: &mut impl Ask,
    ) -> Result<(), Stop> {
        let from = since.checked_sub(OVERLAP).unwrap_or(Timestamp::MIN);
        // A history that reaches back holds the last event that was heard: one that does not say so has lost some.
        let mut reaches = self.position.time.is_none() || way == Way::Before;
        let (mut more, mut is_first, mut told) = (Vec::new(), true, false);
        for _ in 0..PAGES {
            let _turn = room::turn().await;
            let Some(page) = ask.history(from, &more).await? else {
                return self
                    .lost(needed, &format!("{what} cannot be had: the server keeps no history of events"))
                    .await;
            };
            if let Some(start) = page.archive_start.filter(|start| is_first && *start > needed) {
                let text = format!("{what} cannot be had: the server's history begins at {start}");
                self.lost(needed, &text).await?;
                told = true;
            }
            is_first = false;
            let mut content = Content::default();
            for event in page.events {
                self.terms.event(event, &mut content);
            }
            reaches |= content.events.iter().any(|event| event.time.is_some_and(|time| time <= needed));
            self.hand_over(content, way).await?;
            if page.more.is_empty() {
                if !(reaches || told) {
                    let text = format!("{what} cannot be had: the server's history does not reach back to {needed}");
                    self.lost(needed, &text).await?;
                }
                return Ok(());
            }
            if page.more == more {
                return self.lost(needed, &format!("{what} cannot be had: the server's history goes in circles")).await;
            }
            more = page.more;
        }
        self.lost(needed, &format!("{what} cannot be had: the server's history does not end")).await
    }

    /// Reads what the server's history has from before it was heard for the first time; that it has none is no loss.
    pub async fn read_before(&mut self, since: Timestamp, ask: &mut impl Ask) -> Result<(), Stop> {
        let archive = {
            let _turn = room::turn().await;
            ask.history(since, &[]).await?.map(|page| page.archive_start)
        };
        if let Some(archive_start) = archive {
            let start = archive_start.map_or(since, |start| start.max(since));
            let what = "what happened before the first start";
            return self.read_history(start, Timestamp::MAX, Way::Before, what, ask).await;
        }
        Ok(())
    }

    async fn lost(&mut self, from: Timestamp, text: &str) -> Result<(), Stop> {
        Ok(self
            .tell
            .tell(ServiceEvent::Lost { from: Some(from).filter(|from| *from < Timestamp::MAX), text: text.to_owned() })
            .await?)
    }

    fn nonsense(&self, what: &str) -> Stop {
        Stop::Failed(Failure::nonsense(self.peer, what))
    }
}

impl Stop {
    /// Whether another subscription has to be made.
    pub fn of(failure: Failure, is_unknown_subscription: bool) -> Self {
        if is_unknown_subscription && matches!(failure.kind, Kind::Said(_) | Kind::NotThisService) {
            return Self::NoSubscription(failure.reason);
        }
        Self::Failed(failure)
    }
}
