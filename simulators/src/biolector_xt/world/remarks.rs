//! What is said, and what it stands for: the instrument tells its changes as comments, too.

use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{CommentKind, CommentStatus, CoverState};

use super::World;
use crate::biolector::record::Voice;

impl World {
    /// Somebody says something: it is in the stream, and it means something.
    pub(super) fn hear(&mut self, voice: Voice, text: String) {
        if voice == Voice::System {
            self.mean(&text);
        }
        let kind = match voice {
            Voice::Service => CommentKind::CommentService,
            Voice::User => CommentKind::CommentUser,
            Voice::System => CommentKind::CommentSystem,
        };
        self.outbox.push_back(Update::CommentStatus(CommentStatus { kind: kind as i32, text }));
    }

    /// The same, also for the table of a run.
    pub fn say(&mut self, voice: Voice, text: impl Into<String>) {
        let text = text.into();
        let now = self.now;
        if let Some(run) = &mut self.run {
            run.comment(now, voice, text.clone());
        }
        self.hear(voice, text);
    }

    /// What a system comment stands for.
    pub(super) fn mean(&mut self, text: &str) {
        let on = text.ends_with('1');
        if let Some(state) = text.strip_prefix("Coverstate changed to ") {
            let state = match state {
                "OPEN" => CoverState::CovOpen,
                "CLOSED" => CoverState::CovClosed,
                "FAILING" => CoverState::CovFailing,
                _ => CoverState::CovMoving,
            };
            self.controls.cover.state = state;
            self.outbox.push_back(Update::CoverState(state as i32));
        } else if text.starts_with("TempControl state") {
            self.controls.temperature.enabled = on;
            self.outbox.push_back(Update::TemperatureEnabled(on));
        } else if let Some(Ok(target)) = text.strip_prefix("Target temperature changed to ").map(str::parse::<f64>) {
            self.controls.temperature.target = target;
            self.outbox.push_back(Update::TargetTemperature(target as f32));
        } else if let Some(Ok(target)) = text.strip_prefix("Target RPM changed to ").map(str::parse::<f64>) {
            self.controls.shaker.target = target;
            self.outbox.push_back(Update::TargetRpm(target as i32));
            self.turn();
        } else if text.starts_with("Shaker state") {
            self.controls.shaker.enabled = on;
            self.outbox.push_back(Update::ShakerEnabled(on));
            self.turn();
        } else if text.starts_with("HumidityControl") {
            self.controls.humidity = on;
        }
        if let Some(run) = &mut self.run {
            run.set_points(self.controls.shaker.target as u32, self.controls.temperature.target);
        }
    }

    pub(super) fn turn(&mut self) {
        let shaker = &mut self.controls.shaker;
        let actual = if shaker.enabled { shaker.target } else { 0.0 };
        if actual.to_bits() != shaker.actual.to_bits() {
            shaker.actual = actual;
            self.outbox.push_back(Update::ActualRpm(actual as i32));
        }
    }
}
