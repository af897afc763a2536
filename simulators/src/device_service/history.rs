//! What was: values and events, bounded, and reading them page by page.

use std::collections::BTreeMap;
use std::ops::Bound;

use instrument_proto::device::v1::history_read_request::Details;
use instrument_proto::device::v1::history_read_result::History;
use instrument_proto::device::v1::{
    DataValue, EventFields, HistoryData, HistoryEvents, HistoryReadRequest, HistoryReadResponse, HistoryReadResult,
    TimestampsToReturn,
};
use instrument_proto::device::{NodeId, StatusCode, timestamp, to_timestamp};
use jiff::Timestamp;
use prost::Message as _;

use super::event::Selection;
use super::refusal::Refusal;
use super::server::Server;
use super::space::Access;
use super::variable::stamped;

/// Where something stands: its time, and its number among those of that time.
pub(super) type Place = (Timestamp, u64);

/// The last so many of something, by time.
#[derive(Debug, Clone)]
pub(super) struct Archive<T> {
    kept: BTreeMap<Place, T>,
    added: u64,
    most: usize,
    /// The time of the latest that was dropped.
    dropped: Option<Timestamp>,
}

impl<T> Archive<T> {
    pub fn new(most: usize) -> Self {
        Self { kept: BTreeMap::new(), added: 0, most, dropped: None }
    }

    /// Adds something; the oldest goes when there are too many.
    pub fn add(&mut self, time: Timestamp, what: T) {
        self.added += 1;
        self.kept.insert((time, self.added), what);
        if self.kept.len() > self.most
            && let Some(((time, _), _)) = self.kept.pop_first()
        {
            self.dropped = self.dropped.max(Some(time));
        }
    }

    /// From when on everything is there; `None` if nothing was dropped.
    fn start(&self) -> Option<Timestamp> {
        let after = jiff::SignedDuration::from_nanos(1);
        self.dropped.map(|time| time.checked_add(after).unwrap_or(time))
    }

    /// What lies in a span, forwards or backwards, without its end.
    fn span<'a>(&'a self, span: &Span) -> Box<dyn Iterator<Item = (Place, &'a T)> + 'a> {
        let each = |(place, what): (&Place, &'a T)| (*place, what);
        match *span {
            Span { from, to, backwards: false } if from < to => {
                Box::new(self.kept.range((Bound::Included(from), Bound::Excluded(to))).map(each))
            }
            Span { from, to, backwards: true } if to < from => {
                Box::new(self.kept.range((Bound::Excluded(to), Bound::Included(from))).rev().map(each))
            }
            _ => Box::new(std::iter::empty()),
        }
    }
}

/// What is still to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    from: Place,
    to: Place,
    backwards: bool,
}

impl Span {
    fn new(
        start: Option<&prost_types::Timestamp>,
        end: Option<&prost_types::Timestamp>,
        count: u32,
    ) -> Result<Self, StatusCode> {
        let time = |wire: &prost_types::Timestamp| to_timestamp(wire).ok_or(StatusCode::BAD_HISTORY_OPERATION_INVALID);
        let (start, end) = (start.map(time).transpose()?, end.map(time).transpose()?);
        match (start, end) {
            (Some(start), Some(end)) if start > end => {
                Ok(Self { from: (start, u64::MAX), to: (end, u64::MAX), backwards: true })
            }
            (Some(start), Some(end)) => Ok(Self { from: (start, 0), to: (end, 0), backwards: false }),
            (Some(start), None) if count > 0 => {
                Ok(Self { from: (start, 0), to: (Timestamp::MAX, u64::MAX), backwards: false })
            }
            (None, Some(end)) if count > 0 => {
                // The end alone: backwards from it.
                Ok(Self { from: (end, u64::MAX), to: (Timestamp::MIN, 0), backwards: true })
            }
            _ => Err(StatusCode::BAD_HISTORY_OPERATION_INVALID),
        }
    }

    /// The rest after this place.
    fn after(self, (time, number): Place) -> Self {
        let from = if self.backwards { (time, number.saturating_sub(1)) } else { (time, number + 1) };
        Self { from, ..self }
    }
}

/// A reading that was not finished.
#[derive(Debug, Clone)]
pub(super) struct HistoryCursor {
    node: NodeId,
    span: Span,
    count: usize,
    events: Option<Selection>,
}

impl Server {
    /// Reads what was.
    ///
    /// # Errors
    /// [`Refusal`] where the call names nothing, too much, or no details.
    pub fn history_read(&mut self, asked: &HistoryReadRequest) -> Result<HistoryReadResponse, Refusal> {
        Refusal::check_count(asked.nodes_to_read.len(), self.limits.per_call)?;
        let stamps = super::server::stamps(asked.timestamps_to_return)?;
        let mut results = Vec::with_capacity(asked.nodes_to_read.len());
        let mut room = self.limits.content();
        for wanted in &asked.nodes_to_read {
            if asked.release_continuation_points {
                let known = self.take_history_cursor(&wanted.continuation_point).is_some();
                let code = if known { StatusCode::GOOD } else { StatusCode::BAD_CONTINUATION_POINT_INVALID };
                results.push(refused(code));
                continue;
            }
            let cursor = if wanted.continuation_point.is_empty() {
                self.history_cursor(&wanted.node_id, asked.details.as_ref())
            } else {
                let cursor = self.take_history_cursor(&wanted.continuation_point);
                cursor.ok_or(StatusCode::BAD_CONTINUATION_POINT_INVALID)
            };
            results.push(match cursor {
                Ok(cursor) => self.history_page(cursor, stamps, &mut room),
                Err(code) => refused(code),
            });
        }
        Ok(HistoryReadResponse { results })
    }

    fn history_cursor(&self, id: &str, details: Option<&Details>) -> Result<HistoryCursor, StatusCode> {
        let node_id: NodeId = id.parse().map_err(|_| StatusCode::BAD_NODE_ID_INVALID)?;
        let node = self.space.get(&node_id).ok_or(StatusCode::BAD_NODE_ID_UNKNOWN)?;
        let page = |count: u32| match count as usize {
            0 => self.limits.history_page,
            count => count.min(self.limits.history_page),
        };
        match details {
            Some(Details::Raw(raw)) => {
                if node.variable().is_none_or(|variable| variable.access != Access::ReadHistory) {
                    return Err(StatusCode::BAD_HISTORY_OPERATION_UNSUPPORTED);
                }
                let count = raw.num_values_per_node;
                let span = Span::new(raw.start_time.as_ref(), raw.end_time.as_ref(), count)?;
                Ok(HistoryCursor { node: node_id, span, count: page(count), events: None })
            }
            Some(Details::Events(events)) => {
                if !node.is_notifier() {
                    return Err(StatusCode::BAD_HISTORY_OPERATION_UNSUPPORTED);
                }
                let count = events.num_values_per_node;
                let span = Span::new(events.start_time.as_ref(), events.end_time.as_ref(), count)?;
                let filter = events.filter.as_ref().ok_or(StatusCode::BAD_HISTORY_OPERATION_INVALID)?;
                let (selection, _) = Selection::new(filter, &self.space, self.limits.per_call)?;
                Ok(HistoryCursor { node: node_id, span, count: page(count), events: Some(selection) })
            }
            None => Err(StatusCode::BAD_HISTORY_OPERATION_INVALID),
        }
    }

    /// One page, at most `room` bytes of it; and what is left of the room.
    fn history_page(
        &mut self,
        cursor: HistoryCursor,
        stamps: TimestampsToReturn,
        room: &mut usize,
    ) -> HistoryReadResult {
        let HistoryCursor { node, span, count, events } = cursor;
        let (history, rest, start, is_empty) = match &events {
            Some(selection) => {
                let wanted = |event: &super::Event| {
                    selection.wants(event, &self.space).then(|| selection.select(event, &self.space))
                };
                let (page, rest) = page(&self.events, span, count, room, wanted, EventFields::encoded_len);
                let is_empty = page.is_empty();
                (History::Events(HistoryEvents { events: page }), rest, self.events.start(), is_empty)
            }
            None => {
                let Some(archive) = self.values.get(&node) else { return refused(StatusCode::GOOD_NO_DATA) };
                let wanted = |value: &DataValue| Some(stamped(value.clone(), stamps));
                let (page, rest) = page(archive, span, count, room, wanted, DataValue::encoded_len);
                let is_empty = page.is_empty();
                (History::Data(HistoryData { values: page }), rest, archive.start(), is_empty)
            }
        };
        let code = if is_empty && rest.is_none() { StatusCode::GOOD_NO_DATA } else { StatusCode::GOOD };
        let rest = rest.map(|span| self.keep_history_cursor(HistoryCursor { node, span, count, events }));
        HistoryReadResult {
            status_code: code.0,
            continuation_point: rest.unwrap_or_default(),
            history: Some(history),
            start_of_archive: start.map(timestamp),
        }
    }
}

/// A page of an archive, and the span that is left where it was full.
fn page<T, P>(
    archive: &Archive<T>,
    span: Span,
    count: usize,
    room: &mut usize,
    wanted: impl Fn(&T) -> Option<P>,
    size: impl Fn(&P) -> usize,
) -> (Vec<P>, Option<Span>) {
    let mut page = Vec::new();
    let mut at = None;
    for (place, what) in archive.span(&span) {
        let Some(one) = wanted(what) else { continue };
        let bytes = size(&one) + 8;
        // Something larger than a whole message is told alone; the transport says what is wrong with it.
        if page.len() == count || (bytes > *room && !page.is_empty()) || *room == 0 {
            return (page, Some(at.map_or(span, |at| span.after(at))));
        }
        *room = room.saturating_sub(bytes);
        page.push(one);
        at = Some(place);
    }
    (page, None)
}

fn refused(code: StatusCode) -> HistoryReadResult {
    HistoryReadResult { status_code: code.0, ..HistoryReadResult::default() }
}
