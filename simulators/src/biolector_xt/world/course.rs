//! The course of a run: started, paused, resumed, stopped, over.

use instrument_proto::biolector_xt::{
    CoverState, continue_protocol_response, start_protocol_response, stop_protocol_response,
};

use super::{World, bare, same};
use crate::biolector;
use crate::biolector::record::Voice;
use crate::biolector::xt_members::{experiment_id, seed_name};
use crate::biolector_xt::cultures::{Culture, WELLS};
use crate::biolector_xt::run::{Pause, Run};
use crate::biolector_xt::store::{Content, Experiment};

impl World {
    /// Starts a protocol.
    pub fn start(&mut self, id: &str) -> start_protocol_response::Result {
        use start_protocol_response::Result;
        let id = bare(id);
        let Some(protocol) = self.protocols.iter().find(|protocol| same(&protocol.id, id)).cloned() else {
            return Result::ProtocolNotFound;
        };
        if self.settings.faults.no_licence {
            return Result::LicenseMissing;
        }
        if self.run.is_some() {
            return Result::DeviceNotIdle;
        }
        let start = self.local(self.clock());
        let offset = self.settings.printed_offset();
        let settings = biolector::Settings { process: self.process, start, offset, ..protocol.settings };
        self.process += 1;
        self.experiments.push(Experiment {
            id: experiment_id(&settings),
            protocol: protocol.id,
            name: seed_name(&settings),
            start,
            content: None,
        });
        let run = Run::new(settings, self.now, self.settings.faults.file_late_s);
        self.cultures = vec![Culture::new(run.channels.len()); WELLS];
        self.run = Some(run);
        Result::Success
    }

    /// Stops the run.
    pub fn stop(&mut self) -> stop_protocol_response::Result {
        let Some(run) = &mut self.run else { return stop_protocol_response::Result::NotRunning };
        run.stop();
        if run.pending_is_empty() {
            self.end_cycle();
        }
        stop_protocol_response::Result::Success
    }

    /// Asks for a pause. Nothing happens where no run can be paused: the wire has no answer for it.
    pub fn pause(&mut self, stop_shaker: bool) {
        let at = self.now + self.settings.faults.pause_latency_s;
        if let Some(run) = &mut self.run
            && run.pause.is_none()
            && !run.stopping
        {
            run.pause = Some(Pause { at, since: None, stop_shaker, ending: false });
        }
    }

    /// The pause takes effect.
    pub(super) fn stand(&mut self) {
        let now = self.now;
        let Some(pause) = self.run.as_mut().and_then(|run| run.pause.as_mut()) else { return };
        pause.since = Some(now);
        let stop_shaker = pause.stop_shaker;
        self.say(Voice::System, "Pause on");
        if stop_shaker {
            self.say(Voice::System, "Shaker state changed to 0");
        }
    }

    /// Ends a pause. With an open cover it closes first.
    pub fn resume(&mut self) -> continue_protocol_response::Result {
        use continue_protocol_response::Result;
        let Some(pause) = self.run.as_mut().and_then(|run| run.pause.as_mut()) else { return Result::NotPaused };
        if pause.since.is_none() {
            return Result::NotPaused;
        }
        pause.ending = true;
        if self.controls.cover.state == CoverState::CovClosed {
            self.go_on();
        } else {
            // A blocked cover leaves the pause in force.
            let _ = self.move_cover(CoverState::CovClosed);
        }
        Result::Success
    }

    pub(super) fn go_on(&mut self) {
        let now = self.now;
        let Some(pause) = self.run.as_mut().and_then(|run| run.pause.take()) else { return };
        if pause.stop_shaker {
            self.say(Voice::System, "Shaker state changed to 1");
        }
        self.say(Voice::System, "Pause off");
        if let Some(run) = &mut self.run {
            run.resume(now, now - pause.since.unwrap_or(now));
        }
    }

    /// All records of a cycle are played.
    pub(super) fn end_cycle(&mut self) {
        if !self.run.as_mut().is_some_and(Run::begin_cycle) {
            self.end();
        } else if self.controls.cover.state != CoverState::CovClosed {
            // Nothing is measured under an open cover.
            let _ = self.move_cover(CoverState::CovClosed);
        }
    }

    /// The run is over.
    pub(super) fn end(&mut self) {
        self.visits.clear();
        self.say(Voice::Service, "Stopped scripting");
        if let Some(run) = &mut self.run {
            run.pause = None;
        }
        self.say(Voice::System, "Shaker state changed to 0");
        self.say(Voice::System, "TempControl state changed to 0");
        let end = self.local(self.clock());
        let Some(run) = self.run.take() else { return };
        let id = experiment_id(&run.settings);
        let table = run.table();
        if let Some(experiment) = self.experiments.iter_mut().find(|experiment| experiment.id == id) {
            experiment.content = Some(Content::Run { settings: run.settings, table, end: Some(end) });
        }
        self.over += 1;
    }

    /// Of what the zip of an experiment is made now.
    pub fn content(&self, id: &str) -> Option<(&Experiment, Content)> {
        let experiment = self.experiments.iter().find(|experiment| same(&experiment.id, bare(id)))?;
        let content = match (&experiment.content, &self.run) {
            (Some(content), _) => content.clone(),
            (None, Some(run)) => Content::Run { settings: run.settings.clone(), table: run.table(), end: None },
            (None, None) => return None,
        };
        Some((experiment, content))
    }
}
