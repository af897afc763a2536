//! The Echo driver: plate surveys and transfer reports of Echo acoustic liquid handlers become events.
//!
//! One driver serves all files of a device. A file is held until it is whole ([`source`]), read as what its content says it is, and told
//! at once: [`survey`] and [`transfers`].
//!
//! What is decided here, and why:
//!
//! - A file is whole when its structure says so: its root element is closed, or the last line of its footer has its end. One without
//!   that counts as it is when it has been silent for the settling time; a `device.gap` then says where it breaks off, and what comes
//!   later is read with all before it, which gives the same ids.
//! - Ids follow from what stands in a file: a report's run id, a survey's plate and date. Names of files count for nothing, so that
//!   a copy of a report makes nothing new, and neither does its xml beside its csv.
//! - These liquid handlers move liquid from plate to plate: nothing here is an ejection into a mass spectrometer.
//! - A time that a spreadsheet damaged, or whose date contradicts the run's end, is shown as written and not used.

mod moments;
mod plates;
mod source;
mod survey;
#[cfg(test)]
mod tests;
mod transfers;

use std::collections::BTreeMap;
use std::sync::Arc;

use instrument_proto::codec::echo::{Document, FluidCells, Part};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::{Driver, Effects, FileInput, Identity, Input, Request, SourceName};
use crate::event::cultivation::{Defect, Instrument};
use crate::event::liquid::Fluid;
use crate::event::{DeviceId, EventSource, SiteId};
use crate::profile::EchoProfile;
use source::Source;

/// Names the way of decoding; see [`super::biolector::DECODING`].
pub const DECODING: &str = "echo-1";

/// Unfinished files hold at most this much together, in bytes; what comes beyond it is refused.
const MAX_HELD: usize = 64 << 20;

/// What the driver needs to know beside its input.
#[derive(Debug, Clone)]
pub struct Context {
    /// The device's CloudEvents source: part of every id.
    pub source: EventSource,
    /// What is true of the model.
    pub profile: EchoProfile,
    /// The zone of the instrument's clock.
    pub time_zone: TimeZone,
}

impl Context {
    /// The context of `device`, a model of `profile` whose clock runs in `time_zone`.
    pub fn new(site: &SiteId, device: &DeviceId, profile: EchoProfile, time_zone: TimeZone) -> Self {
        Self { source: EventSource::new(site, device), profile, time_zone }
    }
}

/// The driver of one Echo liquid handler.
pub fn driver(context: Context) -> impl Driver {
    Echo { context, sources: BTreeMap::new(), held: 0 }
}

struct Echo {
    context: Context,
    sources: BTreeMap<SourceName, Source>,
    /// Bytes that unfinished files hold.
    held: usize,
}

impl Driver for Echo {
    fn handle(&mut self, input: Input<'_>, _now: Timestamp, effects: &mut Effects) {
        // Nothing streams from it, its files come one by one, and no timer is set.
        let Input::File(name, input) = input else { return };
        let before = self.sources.get(name).map_or(0, Source::held);
        match input {
            FileInput::Opened { snapshot, .. } => {
                let misled = self.sources.get(name).is_some_and(|source| source.misled);
                let source = Source::open(name.clone(), snapshot, misled, effects);
                self.sources.insert(name.clone(), source);
            }
            FileInput::Gone => drop(self.sources.remove(name)),
            input => match self.sources.get_mut(name) {
                Some(source) => source.take(&input, &self.context, MAX_HELD - (self.held - before), effects),
                None => effects.requests.push(Request::Reread(name.clone())),
            },
        }
        self.held = self.held - before + self.sources.get(name).map_or(0, Source::held);
    }
}

/// Where a document stands.
struct Place<'a> {
    name: &'a SourceName,
    bytes: &'a [u8],
    /// Where each line begins.
    lines: Vec<u64>,
}

impl<'a> Place<'a> {
    fn new(name: &'a SourceName, bytes: &'a [u8]) -> Self {
        let starts = (1u64..).zip(bytes).filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        Self { name, bytes, lines: std::iter::once(0).chain(starts).collect() }
    }

    /// The byte at which a line, counted from 1, begins.
    fn offset(&self, line: u64) -> Option<u64> {
        self.lines.get(usize::try_from(line.checked_sub(1)?).ok()?).copied()
    }

    /// What identifies content that names nothing that would.
    fn digest(&self) -> String {
        Sha256::digest(self.bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Defects by kind, with the first of each.
#[derive(Default)]
struct Defects(BTreeMap<&'static str, Defect>);

impl Defects {
    fn add(&mut self, code: &'static str, line: u64, text: &str, place: &Place<'_>) {
        let first = || Defect {
            code,
            count: 0,
            first_offset: place.offset(line).unwrap_or_default(),
            text: format!("line {line}: {text}").chars().take(200).collect(),
        };
        let defect = self.0.entry(code).or_insert_with(first);
        defect.count = defect.count.saturating_add(1);
    }
}

/// Tells everything that a document says.
fn tell(document: &Document, place: &Place<'_>, context: &Context, effects: &mut Effects) {
    let mut defects = Defects::default();
    for defect in &document.defects {
        defects.add(defect.kind.name(), defect.line, &defect.text, place);
    }
    let before = effects.events.len();
    let (serial, software) = match &document.part {
        Part::Survey(survey) => {
            survey::tell(survey, place, context, &mut defects, effects);
            (survey.serial.clone(), String::new())
        }
        Part::Report(report) => {
            transfers::tell(document.format, report, place, context, &mut defects, effects);
            (report.instrument.serial.clone(), report.instrument.software.clone())
        }
    };
    let told = effects.events.len() - before;
    let format = document.format.name();
    if let Some(cut) = &document.cut {
        let text =
            format!("this {format} breaks off at line {}: {}; {told} rows before it are told", cut.line, cut.text);
        effects.gaps.push((place.name.clone(), "cut-off", text));
    }
    let lost: Vec<_> = document.defects.iter().filter(|defect| defect.kind.loses_rows()).collect();
    if let Some(first) = lost.first() {
        let more = if document.more_defects > 0 { " or more" } else { "" };
        let (count, line) = (lost.len(), first.line);
        let text = format!(
            "{count}{more} rows of this {format} cannot be read, the first at line {line}: {}, {}",
            first.kind.name(),
            first.text
        );
        effects.gaps.push((place.name.clone(), "unreadable-rows", text));
    }
    effects.defects.extend(defects.0.into_values().map(|defect| (place.name.clone(), defect)));
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    effects.identity = Some(Identity {
        instrument: Instrument { serial: given(serial), software: given(software), format: format.to_owned() },
        channels: Vec::new(),
    });
}

/// The fluid, as far as it is told.
fn fluid(cells: &FluidCells) -> Option<Fluid> {
    let fluid = Fluid { kind: text(&cells.kind), composition: cells.composition.number(), units: text(&cells.units) };
    (fluid != Fluid::default()).then_some(fluid)
}

/// A text that is not empty.
fn text(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}
