//! Events about a set: from what was found to what is said.

use std::sync::Arc;

use instrument_proto::codec::wiff::{Known, Sample, Wiff};
use jiff::{SignedDuration, Timestamp};

use super::Context;
use super::identity::Identity;
use super::judge::Judgement;
use super::state::State;
use super::vocabulary;
use crate::driver::set::{MemberSeen, Observation};
use crate::event::acquisition::{
    Ended, Evidence, FileSet, FileSetRef, Incomplete, Member, Mode, Polarity, Progressed, SampleCompleted, SetFlag,
    Started, Unknown,
};
use crate::event::{Body, Event, Key, Subject, TimeQuality, cultivation, ids};
use crate::profile::zenotof::Member as Kind;

/// More problems than these are not listed in an event.
pub const MAX_PROBLEMS: usize = 64;

/// Makes the events of one set.
pub struct Teller<'a> {
    /// The device.
    pub context: &'a Context,
    /// Who the set is.
    pub identity: &'a Identity,
    /// How it was found.
    pub look: &'a Observation,
    /// Its revision.
    pub revision: u32,
}

impl Teller<'_> {
    /// The run that all events of the set belong to.
    pub fn run(&self) -> Arc<cultivation::Run> {
        Arc::new(cultivation::Run {
            id: ids::run_id(&self.context.source, &self.identity.key),
            name: self.look.stem.clone(),
            instrument_run_id: self.identity.key.clone(),
            started_at: self.first().and_then(start),
            flags: Vec::new(),
            identity: self.identity.key.clone(),
        })
    }

    /// Which set, and where.
    pub fn set(&self) -> FileSetRef {
        let run = self.run();
        let main = self.main();
        let mut flags = Vec::new();
        if !self.identity.own {
            flags.push(SetFlag::ContentKey);
        }
        if self.zone_conflicts() {
            flags.push(SetFlag::ZoneConflict);
        }
        FileSetRef {
            id: run.id,
            name: self.look.stem.clone(),
            root: main.map_or_else(String::new, |main| main.at.root.to_string()),
            path: main.map_or_else(String::new, |main| main.at.path.to_string()),
            revision: self.revision,
            flags,
        }
    }

    /// The set with its files; `hash` gives each one's digest where it is known.
    pub fn file_set(&self, hash: impl Fn(&MemberSeen) -> Option<String>) -> FileSet {
        let set = self.set();
        let member = |member: &MemberSeen| Member {
            path: member.at.path.to_string(),
            root: (*member.at.root != *set.root).then(|| member.at.root.to_string()),
            size: member.state.size,
            mtime: moment(member.state.modified),
            sha256: hash(member),
            format: vocabulary::format(member.kind),
        };
        let members = self.look.members.iter().map(member).collect();
        FileSet { base: self.look.base.as_ref().map(ToString::to_string), members, set }
    }

    /// The instrument, for the device's `info`.
    pub fn source(&self) -> cultivation::Instrument {
        let software = self.software().map(|software| software.name);
        cultivation::Instrument { serial: self.instrument().serial, software, format: "wiff".to_owned() }
    }

    /// An event of the set.
    pub fn event(&self, body: Body, key: Key, time: Option<Timestamp>) -> Event {
        let run = self.run();
        Event {
            body,
            key,
            subject: Subject::Run(run.id),
            run: Some(run),
            cycle: None,
            closes: false,
            time,
            time_quality: if time.is_some() { TimeQuality::Instrument } else { TimeQuality::Unknown },
            revision: 1,
            reason: None,
            causation: None,
            offset: None,
            alike: None,
        }
    }

    /// `acquisition.started`.
    pub fn started(&self, state: &State) -> Event {
        let started = self.first().and_then(start);
        let body = Started {
            file_set: self.set(),
            started,
            instrument_time: self.first().and_then(|sample| self.instrument_time(sample)),
            instrument: self.instrument(),
            software: self.software(),
            expected_samples: state.expected.as_ref().map(|(samples, _)| *samples),
        };
        self.event(Body::AcquisitionStarted(body), Key::Run, started)
    }

    /// `acquisition.progressed`.
    pub fn progressed(&self, name: &'static str, key: String) -> Event {
        let last = self.wiff().and_then(|wiff| wiff.samples.last());
        let scans = last.and_then(|sample| sample.scans.as_ref().ok());
        let elapsed_s = scans.and_then(|scans| scans.elapsed_s());
        let body = Progressed {
            file_set: self.set(),
            state: name,
            samples: self.wiff().map_or(0, |wiff| u32::try_from(wiff.samples.len()).unwrap_or(u32::MAX)),
            elapsed_s,
            scans: scans.map(|scans| scans.records),
            bytes: self.look.members.iter().map(|member| member.state.size).sum(),
        };
        let time = last.and_then(start).zip(elapsed_s).and_then(|(start, elapsed)| after(start, elapsed));
        self.event(Body::AcquisitionProgressed(body), Key::Text(key), time)
    }

    /// `acquisition.sample-completed`.
    pub fn sample(&self, sample: &Sample, evidence: Vec<Evidence>) -> Event {
        let mut unknown = Unknowns::default();
        let description = unknown.keep("name, sample_id, method, rack, plate, position_raw", &sample.description);
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let field = |of: fn(&instrument_proto::codec::wiff::Description) -> &str| {
            description.and_then(|description| text(of(description)))
        };
        let position_raw = field(|d| &d.position);
        let numbering = self.context.settings.numbering;
        let well = position_raw.as_deref().zip(numbering).and_then(|(position, rule)| rule.well(position));
        let started = unknown.keep("started", &sample.start).map(|start| start.utc);
        let elapsed_s = sample.scans.as_ref().ok().and_then(|scans| scans.elapsed_s());
        let duration_s = sample.duration().ok().map(|duration| duration.as_secs_f64()).or(elapsed_s);
        let ended = started.zip(duration_s).and_then(|(start, duration)| after(start, duration));
        let provenance = sample.provenance.as_ref().ok();
        let aborted = sample.log.as_ref().is_ok_and(|log| log.abort.is_some());
        let body = SampleCompleted {
            file_set: self.set(),
            index: u32::from(sample.index),
            name: field(|d| &d.name),
            sample_id: field(|d| &d.id),
            comment: field(|d| &d.comment),
            method: field(|d| &d.method),
            acquisition_batch: provenance.and_then(|p| text(&p.batch_path)),
            started,
            instrument_time: self.instrument_time(sample),
            ended,
            duration_s,
            injection_volume_ul: unknown
                .keep("injection_volume_ul", &sample.injection_volume_ul)
                .map(|v| f64::from(*v)),
            rack: field(|d| &d.rack),
            plate: field(|d| &d.plate),
            well,
            well_rule: well.and(numbering).map(|rule| rule.name()),
            position_raw,
            mode: unknown.keep("mode", &sample.mode).map(vocabulary::mode),
            polarity: unknown.keep("polarity", &sample.polarity).map(|found| vocabulary::polarity(Some(*found))),
            status: if aborted { "aborted" } else { "complete" },
            evidence,
            unknown: unknown.list,
        };
        let key = Key::Text(format!("sample/{}", sample.index));
        self.event(Body::SampleCompleted(body), key, ended)
    }

    /// `acquisition.completed`, or `acquisition.aborted`.
    pub fn ended(&self, judgement: &Judgement, evidence: Vec<Evidence>, state: &State) -> Event {
        let samples = self.wiff().map_or(&[][..], |wiff| &wiff.samples);
        let last = samples.last();
        let started = self.first().and_then(start);
        let ended = last.and_then(|sample| {
            let elapsed = sample.scans.as_ref().ok().and_then(|scans| scans.elapsed_s());
            sample.end().ok().or_else(|| after(start(sample)?, elapsed?))
        });
        let mut unknown = Unknowns::default();
        if let Some(sample) = self.first() {
            unknown.keep("started", &sample.start);
            unknown.keep("instrument", &sample.instrument);
        }
        if let Some(wiff) = self.wiff() {
            unknown.keep("software", &wiff.file_record);
        }
        let batch = last.and_then(|sample| sample.provenance.as_ref().ok()).map(|p| p.batch_path.clone());
        let hash = |member: &MemberSeen| {
            state.hashes.iter().find(|hashed| hashed.kind == member.kind).map(|hashed| hashed.sha256.clone())
        };
        let body = Ended {
            file_set: self.file_set(hash),
            samples: judgement.samples,
            aborted_samples: judgement.aborted.clone(),
            evidence,
            started,
            instrument_time: self.first().and_then(|sample| self.instrument_time(sample)),
            ended,
            instrument: self.instrument(),
            software: self.software(),
            mode: common_mode(samples),
            polarity: common_polarity(samples),
            acquisition_batch: batch.filter(|batch| !batch.is_empty()),
            terms: vocabulary::acquisition(),
            unknown: unknown.list,
        };
        let body = match judgement.ends_aborted {
            true => Body::AcquisitionAborted(body),
            false => Body::AcquisitionCompleted(body),
        };
        self.event(body, Key::Run, ended)
    }

    /// `acquisition.incomplete`.
    pub fn incomplete(&self, judgement: &Judgement, evidence: Vec<Evidence>) -> Event {
        let mut problems = judgement.problems.clone();
        problems.truncate(MAX_PROBLEMS);
        let readable = self.wiff().is_some_and(|wiff| wiff.sample_count.is_ok());
        let body = Incomplete {
            file_set: self.file_set(|_| None),
            samples: readable.then_some(judgement.samples),
            problems,
            evidence,
        };
        self.event(Body::AcquisitionIncomplete(body), Key::Run, None)
    }

    fn wiff(&self) -> Option<&Wiff> {
        self.look.wiff.as_ref()
    }

    fn first(&self) -> Option<&Sample> {
        self.wiff()?.samples.first()
    }

    fn main(&self) -> Option<&MemberSeen> {
        let is_main = |member: &&MemberSeen| member.kind == Kind::Wiff;
        self.look.members.iter().find(is_main).or_else(|| self.look.members.first())
    }

    /// The local time as the instrument's clock showed it.
    fn instrument_time(&self, sample: &Sample) -> Option<String> {
        let local = sample.table.as_ref().ok()?.local_start;
        let offset = sample.start.as_ref().ok().and_then(|start| start.offset.as_ref().ok());
        let Some(offset) = offset else { return Some(local.to_string()) };
        let seconds = offset.seconds();
        let sign = if seconds < 0 { '-' } else { '+' };
        Some(format!("{local}{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60))
    }

    /// Whether the offset that the file's two times make is another one than the declared zone's.
    fn zone_conflicts(&self) -> bool {
        let found = self.first().and_then(|sample| sample.start.as_ref().ok());
        let Some((utc, Ok(offset))) = found.map(|start| (start.utc, &start.offset)) else { return false };
        self.context.time_zone.to_offset(utc) != *offset
    }

    fn instrument(&self) -> crate::event::acquisition::Instrument {
        let named = self.wiff().and_then(|wiff| wiff.samples.iter().find_map(|sample| sample.instrument.as_ref().ok()));
        let record = self.wiff().and_then(|wiff| wiff.file_record.as_ref().ok());
        vocabulary::instrument(named, record.map(|record| record.computer.as_str()))
    }

    fn software(&self) -> Option<crate::event::acquisition::Software> {
        let provenance = self.first().and_then(|sample| sample.provenance.as_ref().ok());
        let record = self.wiff().and_then(|wiff| wiff.file_record.as_ref().ok());
        let names = [record.map(|r| r.software.as_str()), provenance.map(|p| p.software.as_str())];
        names.into_iter().flatten().find_map(vocabulary::software)
    }
}

/// What cannot be read, each with its reason.
#[derive(Default)]
struct Unknowns {
    list: Vec<Unknown>,
}

impl Unknowns {
    fn keep<'a, T>(&mut self, field: &str, known: &'a Known<T>) -> Option<&'a T> {
        match known {
            Ok(value) => Some(value),
            Err(why) => {
                self.list.push(Unknown { field: field.to_owned(), reason: why.to_string() });
                None
            }
        }
    }
}

/// When a sample was started, in UTC.
pub fn start(sample: &Sample) -> Option<Timestamp> {
    sample.start.as_ref().ok().map(|start| start.utc)
}

/// So many seconds after a moment.
pub fn after(start: Timestamp, seconds: f64) -> Option<Timestamp> {
    start.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

/// A file's time; one that is no time at all is the beginning of 1970.
fn moment(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn common_mode(samples: &[Sample]) -> Option<Mode> {
    let mut modes = samples.iter().map(|sample| sample.mode.as_ref().ok());
    let first = modes.next()??;
    let differ = modes.any(|mode| mode.is_none_or(|mode| mode.kind != first.kind));
    let unknown = Mode { kind: "unknown", variant: None, term: None, vendor: None, windows: Vec::new() };
    Some(if differ { unknown } else { vocabulary::mode(first) })
}

fn common_polarity(samples: &[Sample]) -> Option<Polarity> {
    let mut polarities = samples.iter().map(|sample| sample.polarity.as_ref().ok());
    let first = polarities.next()??;
    let differ = polarities.any(|other| other.is_some_and(|other| other != first));
    let found = if differ { instrument_proto::codec::wiff::Polarity::Switching } else { *first };
    Some(vocabulary::polarity(Some(found)))
}
