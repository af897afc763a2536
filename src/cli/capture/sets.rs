//! File sets, looked at here as the daemon would: when to look again and which members to read, the driver knows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::source::Said;
use crate::config::settings::{DeviceSettings, FilesSettings};
use crate::device::{driver_of, sets};
use crate::driver::set::{SetInput, SetName};
use crate::driver::{Driver, Effects, Input, Request, Timer, TimerChange};
use crate::event::SiteId;
use crate::link::filesets::{self, FileSetLink, SetEvent, SetsSettings, recorded};
use crate::link::recorder::{Happenings, Recorder, now};

/// What waits to be recorded.
const WAITING: usize = 4;

/// The link.
pub(super) struct Sets {
    link: FileSetLink,
    events: mpsc::Receiver<SetEvent>,
    recorder: Recorder,
    happenings: Happenings,
    driver: Box<dyn Driver>,
    effects: Effects,
    timers: BTreeMap<Timer, Instant>,
    kept: BTreeMap<SetName, BTreeMap<String, Vec<u8>>>,
    looks: BTreeMap<SetName, u64>,
}

impl Sets {
    pub fn open(site: &SiteId, device: &DeviceSettings, files: FilesSettings) -> Self {
        let (sender, events) = mpsc::channel(WAITING);
        // Nothing is written beside the recording.
        let settings = SetsSettings { manifests: None, ..sets(device, files) };
        let link = filesets::spawn(filesets::Start { settings, known: Vec::new(), baseline: None }, sender);
        let (recorder, happenings) = Recorder::new(None);
        Self {
            link,
            events,
            recorder,
            happenings,
            driver: driver_of(site, device),
            effects: Effects::default(),
            timers: BTreeMap::new(),
            kept: BTreeMap::new(),
            looks: BTreeMap::new(),
        }
    }

    pub fn stop(&self) {
        self.link.stop();
    }

    pub async fn next(&mut self) -> Option<Said> {
        loop {
            let due = self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (timer.clone(), *at));
            let sleep = tokio::time::sleep_until(due.as_ref().map_or_else(Instant::now, |(_, at)| *at));
            let mut text = Vec::new();
            tokio::select! {
                biased;
                happening = self.happenings.next(&mut text) => {
                    return happening.map(|happening| Said::Passed(happening, text));
                }
                event = self.events.recv() => {
                    let event = event?;
                    let text = match &event {
                        SetEvent::Connected { place } => Some(format!("{place} can be read")),
                        SetEvent::Disconnected { place, reason, .. } => Some(format!("{place}: {reason}")),
                        _ => None,
                    };
                    self.follow(event);
                    if let Some(text) = text {
                        return Some(Said::Connection(text));
                    }
                }
                () = sleep, if due.is_some() => {
                    if let Some((timer, _)) = due {
                        self.timers.remove(&timer);
                        self.give(Input::Timer(&timer), now());
                    }
                }
            }
        }
    }

    /// Records it, and asks what follows.
    fn follow(&mut self, event: SetEvent) {
        let at = now();
        if let Some(happening) = recorded::happening(&event, at) {
            self.recorder.record(happening);
        }
        match event {
            SetEvent::Opened { set, resume } => {
                let kept = self.kept.get(&set).filter(|_| resume);
                let snapshot: Vec<_> = kept.into_iter().flatten().map(|(part, b)| (part.clone(), b.clone())).collect();
                self.give(Input::Set(&set, SetInput::Opened { snapshot: &snapshot }), at);
            }
            SetEvent::Looked { set, seen, serial, .. } => {
                self.looks.insert(set.clone(), serial);
                self.give(Input::Set(&set, SetInput::Looked(&seen)), at);
            }
            SetEvent::Expected { set, samples, batch } => {
                self.give(Input::Set(&set, SetInput::Expected { samples, batch: &batch }), at);
            }
            SetEvent::Hashed { set, hashed } => self.give(Input::Set(&set, SetInput::Hashed(&hashed)), at),
            SetEvent::Rested { set, .. } => self.give(Input::Set(&set, SetInput::Closed), at),
            SetEvent::Gone { set } => {
                self.give(Input::Set(&set, SetInput::Closed), at);
                self.kept.remove(&set);
            }
            SetEvent::Renamed { from, to, .. } => {
                self.give(Input::Set(&from, SetInput::Closed), at);
                if let Some(parts) = self.kept.remove(&from) {
                    self.kept.insert(to, parts);
                }
            }
            SetEvent::Connected { .. }
            | SetEvent::Disconnected { .. }
            | SetEvent::Baseline(_)
            | SetEvent::Trouble { .. }
            | SetEvent::TroubleOver { .. } => {}
        }
    }

    fn give(&mut self, input: Input<'_>, at: Timestamp) {
        self.driver.handle(input, at, &mut self.effects);
        for change in self.effects.timers.drain(..) {
            match change {
                TimerChange::Set(timer, after) => drop(self.timers.insert(timer, Instant::now() + after)),
                TimerChange::Cancel(timer) => drop(self.timers.remove(&timer)),
            }
        }
        for part in self.effects.snapshots.drain(..) {
            self.kept.entry(part.source).or_default().insert(part.part.to_owned(), part.bytes);
        }
        for request in self.effects.requests.drain(..) {
            match request {
                Request::Look(set) => self.link.look(&set),
                Request::Hash { set, members } => self.link.hash(set, members),
                Request::Rest(set) => {
                    let serial = self.looks.get(&set).copied().unwrap_or(0);
                    self.link.rest(set, serial);
                }
                Request::Reread(set) => self.link.reread(&set),
                Request::Manifest { .. } | Request::Send { .. } | Request::Ask(_) => {}
            }
        }
        self.effects.clear();
    }
}
