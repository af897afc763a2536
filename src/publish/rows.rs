//! All devices' rows on one connection: whose turn it is, what is to be read, what is settled.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use super::cursor::{Change, Cursor};
use super::outbox::Row;
use super::reason::Verdict;
use crate::event::DeviceId;

/// So many rows of one device before it is the next device's turn.
const TURN: u32 = 8;
/// A device with fewer rows in memory than this is read ahead.
const LOW: usize = 768;
/// Payload bytes read ahead over all devices; reads wait while it is reached, so that many devices far behind do not
/// fill the memory. One read may exceed it by its own size.
const AHEAD_BYTES: usize = 2 << 20;

/// Every device's cursor, and a fair turn among them.
#[derive(Debug, Default)]
pub struct Rows {
    cursors: Vec<Cursor>,
    by_device: HashMap<DeviceId, usize>,
    /// Devices in the order of their turns; each index once.
    turns: VecDeque<usize>,
    /// Rows that the first of `turns` may still send.
    left: u32,
    /// The last sequence in the journal, by device.
    last: Vec<u64>,
    /// Whether rows up to it are still to be read, by device; looked at with every event, and seldom so.
    unread: Vec<bool>,
    /// Whether a read is under way, by device.
    reading: Vec<bool>,
    /// Whether the cursor is not idle, by device, and how many are not: with hundreds of devices few are at a time.
    busy: Vec<bool>,
    busy_count: usize,
}

/// A row whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Next {
    /// The device's index.
    pub device: usize,
    /// The row.
    pub row: Row,
    /// Whether it was handed over before.
    pub again: bool,
}

impl Rows {
    /// Makes sure that `device` has a cursor, and notes how far its rows go. `positions` says, where it has none yet, up to where they are
    /// settled and were handed over.
    pub fn note(&mut self, device: &DeviceId, last: u64, positions: impl FnOnce() -> (u64, u64)) {
        if let Some(index) = self.by_device.get(device) {
            self.set_last(*index, last);
            return;
        }
        let index = self.cursors.len();
        let (settled, highest) = positions();
        self.cursors.push(Cursor::new(device.clone(), settled, highest));
        self.last.push(last);
        self.unread.push(last > settled);
        self.reading.push(false);
        self.busy.push(false);
        self.turns.push_back(index);
        self.by_device.insert(device.clone(), index);
    }

    /// Looks whether the cursor at `index`, of which something changed, is idle.
    fn look(&mut self, index: usize) {
        let is_busy = !self.cursors[index].is_idle();
        match (std::mem::replace(&mut self.busy[index], is_busy), is_busy) {
            (false, true) => self.busy_count += 1,
            (true, false) => self.busy_count -= 1,
            _ => {}
        }
    }

    fn set_last(&mut self, index: usize, last: u64) {
        self.last[index] = last;
        self.unread[index] = last > self.cursors[index].read_to();
    }

    /// The cursors, for reports.
    pub fn cursors(&self) -> &[Cursor] {
        &self.cursors
    }

    /// Rows not yet settled, by device.
    pub fn backlog(&self) -> BTreeMap<DeviceId, u64> {
        let behind = |(cursor, last): (&Cursor, &u64)| (cursor.device.clone(), last.saturating_sub(cursor.settled()));
        self.cursors.iter().zip(&self.last).map(behind).collect()
    }

    /// Whether rows wait that nothing but the window or a read holds back.
    pub fn live_waiting(&self, now: Instant) -> bool {
        let waits = |index: usize| {
            let cursor = &self.cursors[index];
            (self.busy[index] && cursor.can_send(now)) || (self.unread[index] && cursor.pause().is_none())
        };
        (0..self.cursors.len()).any(waits)
    }

    /// The next row, in turn.
    pub fn next(&mut self, now: Instant) -> Option<Next> {
        if self.busy_count == 0 {
            return None;
        }
        for _ in 0..=self.turns.len() {
            let device = *self.turns.front()?;
            if self.left > 0
                && self.busy[device]
                && let Some((row, again)) = self.cursors[device].next(now)
            {
                self.left -= 1;
                self.look(device);
                return Some(Next { device, row, again });
            }
            self.turns.rotate_left(1);
            self.left = TURN;
        }
        None
    }

    /// Takes a verdict on a row of the device at `index`.
    pub fn acknowledge(&mut self, index: usize, sequence: u64, verdict: Verdict, now: Instant, roll: f64) -> Change {
        let change = self.cursors[index].acknowledge(sequence, verdict, now, roll);
        self.look(index);
        change
    }

    /// See [`Cursor::hold`].
    pub fn hold(&mut self, index: usize, sequence: u64, reason: String, remedy: &str, now: Instant) {
        self.cursors[index].hold(sequence, reason, remedy, now);
        self.look(index);
    }

    /// The device at `index`.
    pub fn device(&self, index: usize) -> &DeviceId {
        &self.cursors[index].device
    }

    /// Whether any device's rows should be read ahead.
    pub fn hungry(&self) -> bool {
        (0..self.cursors.len()).any(|index| self.wants(index))
    }

    /// Devices whose rows should be read ahead, with the sequence to read after; none while enough is in memory.
    pub fn to_read(&self) -> Vec<(usize, DeviceId, u64)> {
        let bytes: usize = self.cursors.iter().map(Cursor::waiting_bytes).sum();
        if bytes >= AHEAD_BYTES {
            return Vec::new();
        }
        let wanted = self.turns.iter().copied().filter(|index| self.wants(*index));
        wanted.map(|index| (index, self.cursors[index].device.clone(), self.cursors[index].read_to())).collect()
    }

    fn wants(&self, index: usize) -> bool {
        let is_open = || self.cursors[index].pause().is_none() && self.cursors[index].waiting() < LOW;
        self.unread[index] && !self.reading[index] && is_open()
    }

    /// Notes that a read of the device at `index` is under way.
    pub fn reading(&mut self, index: usize) {
        self.reading[index] = true;
    }

    /// Takes what was read. An empty read means that nothing is there up to the end that is known: it is not tried
    /// again before the device has new rows.
    pub fn supply(&mut self, index: usize, rows: Vec<Row>) {
        self.reading[index] = false;
        if rows.is_empty() {
            self.last[index] = self.cursors[index].read_to();
        }
        self.cursors[index].supply(rows);
        self.set_last(index, self.last[index]);
        self.look(index);
    }

    /// Notes that a read failed; it is tried again.
    pub fn read_failed(&mut self, index: usize) {
        self.reading[index] = false;
    }

    /// Notes that reads under way are lost.
    pub fn reads_lost(&mut self) {
        self.reading.fill(false);
    }

    /// When the first pause may end.
    pub fn retry_at(&self) -> Option<Instant> {
        if self.busy_count == 0 {
            return None;
        }
        self.cursors.iter().filter_map(Cursor::retry_at).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use proptest::prelude::*;
    use rumqttc::v5::mqttbytes::v5::PubAckReason;

    use super::*;
    use crate::publish::reason::verdict;

    fn device(name: &str) -> DeviceId {
        name.parse().expect("valid")
    }

    fn row(device: &DeviceId, sequence: u64) -> Row {
        Row {
            device: device.clone(),
            sequence,
            category: "cultivation".into(),
            name: "measured".into(),
            payload: Bytes::from_static(b"{}"),
        }
    }

    fn supplied(rows: &mut Rows, name: &str, sequences: impl IntoIterator<Item = u64>) {
        let device = device(name);
        let all: Vec<Row> = sequences.into_iter().map(|sequence| row(&device, sequence)).collect();
        let last = all.last().map_or(0, |row| row.sequence);
        rows.note(&device, last, || (0, 0));
        let index = rows.by_device[&device];
        rows.supply(index, all);
    }

    fn send_all(rows: &mut Rows, now: Instant) -> Vec<(usize, u64)> {
        std::iter::from_fn(|| rows.next(now)).map(|next| (next.device, next.row.sequence)).collect()
    }

    const OK: PubAckReason = PubAckReason::Success;

    #[test]
    fn devices_take_turns() {
        let mut rows = Rows::default();
        supplied(&mut rows, "busy", 1..=100);
        supplied(&mut rows, "quiet", 1..=2);
        let order = send_all(&mut rows, Instant::now());
        assert_eq!(order.len(), 102);
        let quiet_done = order.iter().position(|sent| *sent == (1, 2)).expect("sent");
        assert!(quiet_done < 20, "the quiet device waits for one turn of the busy one at most: {quiet_done}");
    }

    #[test]
    fn only_what_has_no_hole_before_it_is_settled() {
        let now = Instant::now();
        let mut rows = Rows::default();
        supplied(&mut rows, "a", [1, 2, 5, 6]);
        send_all(&mut rows, now);
        let mut settle = |sequence| rows.acknowledge(0, sequence, verdict(OK), now, 0.5).settled;
        assert_eq!(settle(2), None);
        assert_eq!(settle(5), None);
        assert_eq!(settle(1), Some(5), "3 and 4 are not in the journal any more");
        assert_eq!(settle(1), None, "a second acknowledgement changes nothing");
        assert_eq!(settle(6), Some(6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_is_not_allowed_waits_and_the_others_go_on() {
        let start = Instant::now();
        let mut rows = Rows::default();
        supplied(&mut rows, "denied", 1..=3);
        supplied(&mut rows, "fine", 1..=3);
        assert_eq!(send_all(&mut rows, start).len(), 6);
        let refuse = PubAckReason::NotAuthorized;
        for sequence in 1..=3 {
            let change = rows.acknowledge(0, sequence, verdict(refuse), start, 0.5);
            assert_eq!((change.settled, change.pause_changed), (None, sequence == 1));
            assert!(rows.acknowledge(1, sequence, verdict(OK), start, 0.5).settled.is_some());
        }
        let mut later = start;
        for seconds in [5, 10, 20, 40, 60, 60] {
            assert_eq!(send_all(&mut rows, later), []);
            let at = rows.retry_at().expect("paused");
            assert_eq!(at - later, Duration::from_secs(seconds));
            later = at;
            // One row tries; while it is refused, nothing else goes.
            assert_eq!(send_all(&mut rows, later), [(0, 1)]);
            rows.acknowledge(0, 1, verdict(refuse), later, 0.5);
        }
        later += Duration::from_secs(60);
        assert_eq!(send_all(&mut rows, later), [(0, 1)]);
        let change = rows.acknowledge(0, 1, verdict(OK), later, 0.5);
        assert_eq!((change.settled, change.pause_changed), (Some(1), true));
        assert_eq!(send_all(&mut rows, later), [(0, 2), (0, 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_that_came_too_early_is_first_in_line_with_growing_waits() {
        let mut now = Instant::now();
        let mut rows = Rows::default();
        supplied(&mut rows, "a", 1..=5);
        send_all(&mut rows, now);
        rows.acknowledge(0, 1, verdict(PubAckReason::QuotaExceeded), now, 1.0);
        for sequence in 2..=5 {
            assert_eq!(rows.acknowledge(0, sequence, verdict(OK), now, 1.0).settled, None);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let at = rows.retry_at().expect("paused");
            assert_eq!(at - now, Duration::from_secs(seconds));
            now = at;
            assert_eq!(send_all(&mut rows, now), [(0, 1)]);
            rows.acknowledge(0, 1, verdict(PubAckReason::UnspecifiedError), now, 1.0);
        }
        now = rows.retry_at().expect("paused");
        assert_eq!(send_all(&mut rows, now), [(0, 1)]);
        assert_eq!(rows.acknowledge(0, 1, verdict(OK), now, 1.0).settled, Some(5));
    }

    #[test]
    fn only_an_invalid_payload_is_a_dead_letter() {
        let now = Instant::now();
        let mut rows = Rows::default();
        supplied(&mut rows, "a", 1..=2);
        send_all(&mut rows, now);
        let change = rows.acknowledge(0, 1, verdict(PubAckReason::PayloadFormatInvalid), now, 0.5);
        assert!(change.dead.is_some());
        assert_eq!(change.settled, Some(1), "the row is set aside and the next ones go on");
    }

    const REASONS: [PubAckReason; 9] = [
        OK,
        PubAckReason::NoMatchingSubscribers,
        PubAckReason::UnspecifiedError,
        PubAckReason::ImplementationSpecificError,
        PubAckReason::NotAuthorized,
        PubAckReason::TopicNameInvalid,
        PubAckReason::PacketIdentifierInUse,
        PubAckReason::QuotaExceeded,
        PubAckReason::PayloadFormatInvalid,
    ];

    proptest! {
        /// Whatever the order and the reasons of the acknowledgements: first deliveries are in order, nothing is settled
        /// before it and everything before it was taken, and in the end everything is.
        #[test]
        fn nothing_is_settled_that_was_not_taken(steps in prop::collection::vec((0u8..20, 0usize..64), 1..300)) {
            const LAST: u64 = 40;
            let mut now = Instant::now();
            let mut rows = Rows::default();
            supplied(&mut rows, "a", 1..=LAST);
            supplied(&mut rows, "b", 1..=LAST);
            let mut flying: Vec<(usize, u64)> = Vec::new();
            let mut first = [0u64; 2];
            let mut taken = [const { std::collections::BTreeSet::<u64>::new() }; 2];
            let mut settled = [0u64; 2];
            // After the random part, a broker that takes everything.
            let steps = steps.into_iter().chain(std::iter::repeat_n((0, 0), 400));
            for (choice, pick) in steps {
                now += Duration::from_secs(if choice == 0 { 61 } else { 0 });
                while flying.len() < 10 {
                    let Some(next) = rows.next(now) else { break };
                    let at = (next.device, next.row.sequence);
                    prop_assert!(!flying.contains(&at), "handed over twice at a time");
                    prop_assert!(!taken[at.0].contains(&at.1), "handed over after it was taken");
                    prop_assert_eq!(next.again, at.1 <= first[at.0]);
                    if !next.again {
                        prop_assert_eq!(at.1, first[at.0] + 1, "first deliveries are in order");
                        first[at.0] = at.1;
                    }
                    flying.push(at);
                }
                if flying.is_empty() {
                    continue;
                }
                let (device, sequence) = flying.remove(pick % flying.len());
                let reason = REASONS.get(usize::from(choice)).copied().unwrap_or(OK);
                let verdict = verdict(reason);
                if matches!(verdict, Verdict::Taken | Verdict::TakenByNobody | Verdict::Poison(_)) {
                    taken[device].insert(sequence);
                }
                if let Some(upto) = rows.acknowledge(device, sequence, verdict, now, 0.5).settled {
                    prop_assert!(upto > settled[device]);
                    prop_assert!((1..=upto).all(|s| taken[device].contains(&s)), "{} settled too early", upto);
                    settled[device] = upto;
                }
            }
            prop_assert_eq!(settled, [LAST, LAST]);
        }
    }
}
