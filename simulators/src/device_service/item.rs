//! A monitored item: what is looked at, and the queue of what is to be told.

use std::collections::VecDeque;

use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{DataValue, EventFields, TimestampsToReturn};
use instrument_proto::device::{NodeId, timestamp, variant};
use jiff::{SignedDuration, Timestamp};

use super::event::{Event, Selection};
use super::space::AddressSpace;
use super::variable::{ChangeFilter, IndexRange, own, stamped};

/// A monitored item.
#[derive(Debug)]
pub(super) struct Item {
    pub client_handle: u32,
    pub node: NodeId,
    pub reports: bool,
    pub queue_size: usize,
    pub discard_oldest: bool,
    pub watch: Watch,
}

/// What it looks at.
#[derive(Debug)]
pub(super) enum Watch {
    Data(Data),
    Events(Events),
}

/// A value, sampled.
#[derive(Debug)]
pub(super) struct Data {
    pub filter: ChangeFilter,
    pub range: Option<IndexRange>,
    pub stamps: TimestampsToReturn,
    /// Zero: each change.
    pub sampling: SignedDuration,
    next_sample: Timestamp,
    /// The latest value, if no sample was taken of it yet.
    pending: Option<DataValue>,
    /// Whether it is the server's clock, which changes all the time.
    is_clock: bool,
    /// The last value that went into the queue.
    last: Option<DataValue>,
    queue: VecDeque<DataValue>,
}

/// Events of a notifier.
#[derive(Debug)]
pub(super) struct Events {
    pub selection: Selection,
    queue: VecDeque<EventFields>,
    /// Stands in the queue beyond its size: first or last.
    overflow: Option<EventFields>,
    overflows: u64,
}

impl Data {
    pub fn new(
        filter: ChangeFilter,
        range: Option<IndexRange>,
        stamps: TimestampsToReturn,
        sampling: SignedDuration,
        now: Timestamp,
    ) -> Self {
        let queue = VecDeque::new();
        Self { filter, range, stamps, sampling, next_sample: now, pending: None, is_clock: false, last: None, queue }
    }

    /// The value at the beginning, which is told in any case.
    pub fn first(&mut self, value: DataValue, is_clock: bool) {
        let value = part(self.range, value);
        self.is_clock = is_clock;
        self.next_sample = self.next_sample.checked_add(self.sampling).unwrap_or(Timestamp::MAX);
        self.last = Some(value.clone());
        self.queue.push_back(stamped(value, self.stamps));
    }

    /// The sampling times before `now` that nothing was done for yet; they are done with.
    fn due_before(&mut self, now: Timestamp) -> Option<Due> {
        if self.sampling.is_zero() {
            return None;
        }
        // A clock that was set back must not silence it.
        let next = now.checked_add(self.sampling).unwrap_or(Timestamp::MAX);
        self.next_sample = self.next_sample.min(next);
        let nanos = |duration: SignedDuration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let (first, step, late) = (self.next_sample, nanos(self.sampling), nanos(now.duration_since(self.next_sample)));
        if late <= 0 {
            return None;
        }
        let due = Due { first, step, count: (late - 1) / step + 1 };
        self.next_sample = due.time(due.count);
        Some(due)
    }
}

/// What of a value is looked at.
fn part(range: Option<IndexRange>, value: DataValue) -> DataValue {
    match range {
        Some(range) => range.of(value),
        None => value,
    }
}

/// Sampling times.
#[derive(Debug, Clone, Copy)]
struct Due {
    first: Timestamp,
    /// Nanoseconds between two.
    step: i64,
    count: i64,
}

impl Due {
    /// A time beyond the calendar is never reached.
    fn time(self, index: i64) -> Timestamp {
        let after = SignedDuration::from_nanos(self.step.saturating_mul(index));
        self.first.checked_add(after).unwrap_or(Timestamp::MAX)
    }
}

impl Events {
    pub fn new(selection: Selection) -> Self {
        Self { selection, queue: VecDeque::new(), overflow: None, overflows: 0 }
    }
}

impl Item {
    /// The value is this from now on.
    pub fn value(&mut self, value: &DataValue, now: Timestamp) {
        // What was due before now is a sample of the value before.
        self.settle_before(now);
        let Watch::Data(data) = &mut self.watch else { return };
        let value = part(data.range, value.clone());
        if data.sampling.is_zero() {
            self.enqueue(value);
        } else {
            data.pending = Some(value);
            self.settle(now);
        }
    }

    /// Takes the samples that are due up to now.
    pub fn settle(&mut self, now: Timestamp) {
        let after = now.checked_add(SignedDuration::from_nanos(1)).unwrap_or(now);
        self.settle_before(after);
    }

    /// A value stays what it is until it is told anew, so that all samples since then are one. The clock is another one at each
    /// sampling time, and what it was then is known without having looked: no timer has to run for it.
    fn settle_before(&mut self, now: Timestamp) {
        let Watch::Data(data) = &mut self.watch else { return };
        let Some(due) = data.due_before(now) else { return };
        if !data.is_clock {
            if let Some(value) = data.pending.take() {
                self.enqueue(value);
            }
            return;
        }
        let range = data.range;
        // After a long time the queue holds some of the first or of the last samples; those between go by unseen.
        let size = i64::try_from(self.queue_size).unwrap_or(i64::MAX);
        for index in (0..due.count.min(size)).chain(size.max(due.count.saturating_sub(size))..due.count) {
            let time = due.time(index);
            self.enqueue(part(range, own(variant(Value::DateTime(timestamp(time))), time)));
        }
    }

    /// When the next sample will be taken that may be something to tell.
    pub fn next_sample(&self) -> Option<Timestamp> {
        match &self.watch {
            _ if !self.reports => None,
            Watch::Data(data) => (data.is_clock || data.pending.is_some()).then_some(data.next_sample),
            Watch::Events(_) => None,
        }
    }

    fn enqueue(&mut self, value: DataValue) {
        let Watch::Data(data) = &mut self.watch else { return };
        if data.last.as_ref().is_some_and(|last| !data.filter.passes(last, &value)) {
            return;
        }
        data.last = Some(value.clone());
        let told = stamped(value, data.stamps);
        if data.queue.len() < self.queue_size {
            data.queue.push_back(told);
            return;
        }
        // A queue of one holds the latest value, by design and without a flag.
        let flags = self.queue_size > 1;
        if self.discard_oldest {
            data.queue.pop_front();
            data.queue.push_back(told);
            if let (true, Some(oldest)) = (flags, data.queue.front_mut()) {
                oldest.status_code = oldest.status().with_overflow().0;
            }
        } else {
            data.queue.pop_back();
            let status_code = if flags { told.status().with_overflow().0 } else { told.status_code };
            data.queue.push_back(DataValue { status_code, ..told });
        }
    }

    /// This happened.
    pub fn event(&mut self, event: &Event, space: &AddressSpace, now: Timestamp) {
        let Watch::Events(events) = &mut self.watch else { return };
        if !events.selection.wants(event, space) {
            return;
        }
        let told = events.selection.select(event, space);
        if events.queue.len() == self.queue_size {
            if self.discard_oldest {
                events.queue.pop_front();
            } else {
                events.queue.pop_back();
            }
            if events.overflow.is_none() {
                events.overflows += 1;
                events.overflow = Some(events.selection.select(&Event::overflow(events.overflows, now), space));
            }
        }
        events.queue.push_back(told);
    }

    /// How many wait to be told.
    pub fn waiting(&self) -> usize {
        match &self.watch {
            _ if !self.reports => 0,
            Watch::Data(data) => data.queue.len(),
            Watch::Events(events) => events.queue.len() + usize::from(events.overflow.is_some()),
        }
    }

    /// The next value.
    pub fn next_value(&mut self) -> Option<DataValue> {
        match &mut self.watch {
            Watch::Data(data) => data.queue.pop_front(),
            Watch::Events(_) => None,
        }
    }

    /// Puts back what did not fit.
    pub fn put_back_event(&mut self, event: EventFields) {
        if let Watch::Events(events) = &mut self.watch {
            events.queue.push_front(event);
        }
    }

    /// The next event.
    pub fn next_event(&mut self) -> Option<EventFields> {
        let Watch::Events(events) = &mut self.watch else { return None };
        if self.discard_oldest
            && let Some(overflow) = events.overflow.take()
        {
            return Some(overflow);
        }
        events.queue.pop_front().or_else(|| events.overflow.take())
    }
}
