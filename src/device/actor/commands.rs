//! Commands: judged, kept, carried out, kept again, answered. And the pause that the daemon has to end.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Actor;
use crate::command::{Answer, Answered, Call, CallResult, Exchange, Handled, Ledger, Next, Requests, from_hexadecimal};
use crate::device::exit::Exit;
use crate::driver::biolector_xt::GRPC;
use crate::event::{Body, Event, device};

/// The journal's note with the ledger.
pub const NOTE: &str = "commands";

/// What a device's actor needs for commands.
pub struct Commands {
    pub(super) exchange: Arc<Exchange>,
    /// Requests; `None` where none are taken.
    pub(super) requests: Option<Requests>,
    pub(super) ledger: Ledger,
    /// The call that is under way, and whether the daemon itself asked.
    pub(super) calls: JoinSet<(bool, CallResult)>,
    /// Whether the daemon itself is continuing.
    pub(super) continuing: bool,
}

impl Commands {
    /// With what the journal kept.
    pub fn new(exchange: Arc<Exchange>, requests: Option<Requests>, ledger: Ledger) -> Self {
        Self { exchange, requests, ledger, calls: JoinSet::new(), continuing: false }
    }

    /// When the daemon has to continue.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = self.ledger.due().filter(|_| !self.continuing)?;
        let left = due.duration_since(Timestamp::now());
        Some(Instant::now() + std::time::Duration::try_from(left).unwrap_or_default())
    }

    /// The next request to judge, while nothing is under way: one waits for the other.
    pub(super) async fn next(requests: Option<&Requests>, is_busy: bool) -> Next {
        match requests {
            Some(requests) => requests.next(is_busy).await,
            None => std::future::pending().await,
        }
    }

    /// What was decided about a request is durable.
    fn settled(&self, next: &Next) {
        if let Some(requests) = &self.requests {
            requests.settled(next);
        }
    }
}

impl Actor {
    /// What was under way when the daemon stopped is told of before anything else.
    pub(super) async fn take_up_commands(&mut self) -> Result<(), Exit> {
        match self.commands.ledger.restarted() {
            Some(handled) => self.tell_handled(handled).await,
            None => Ok(()),
        }
    }

    pub(super) async fn take_command(&mut self, next: Next) -> Result<(), Exit> {
        self.after_command = true;
        let judged = match &next {
            Next::Judge(incoming) => self.commands.ledger.judge(incoming, &self.settings.commands, Timestamp::now()),
            Next::TurnAway(incoming) => Err(Box::new(Ledger::turn_away(incoming))),
        };
        let device = &self.settings.id;
        match judged {
            Err(handled) => {
                tracing::warn!(%device, command = %handled.command, reason = handled.reason.as_deref(), "A command is refused.");
                self.tell_handled(*handled).await?;
                self.commands.settled(&next);
            }
            Ok(call) => {
                tracing::info!(%device, command = call.command().name(), "A command is carried out.");
                // The decision and a pause's deadline are durable before the broker and the instrument hear of it.
                self.keep_ledger().await?;
                self.commands.settled(&next);
                self.order(call, false);
            }
        }
        Ok(())
    }

    fn order(&mut self, call: Call, by_itself: bool) {
        let pending = self.links.xt.as_ref().map(|remote| remote.link().order(call));
        self.commands.calls.spawn(async move {
            let result = match pending {
                Some(pending) => pending.outcome().await,
                None => CallResult::NotAsked("the device has no remote-control service configured".to_owned()),
            };
            (by_itself, result)
        });
    }

    /// The instrument answered.
    pub(super) async fn take_answer(&mut self, by_itself: bool, result: CallResult) -> Result<(), Exit> {
        if !by_itself {
            return match self.commands.ledger.settle(result) {
                Some(handled) => self.tell_handled(handled).await,
                None => Ok(()),
            };
        }
        self.commands.continuing = false;
        match self.commands.ledger.continued(result, Timestamp::now()) {
            Answered::Over(handled) => self.tell_handled(handled).await,
            Answered::Failing(reason) => {
                let text = format!("the pause is over and the run cannot be continued: {reason}");
                let remedy = "continue the run at the instrument; the daemon goes on trying".to_owned();
                tracing::error!(device = %self.settings.id, %reason, %remedy, "A pause cannot be ended.");
                self.fault(text, Some(remedy));
                self.keep_ledger().await
            }
            Answered::Again => self.keep_ledger().await,
        }
    }

    /// The longest duration of a pause is over.
    pub(super) fn continue_by_itself(&mut self) {
        tracing::info!(device = %self.settings.id, "A pause has lasted as long as it may; the run is continued.");
        self.commands.continuing = true;
        self.order(Call::Continue, true);
    }

    /// Looks whether the instrument itself, live, tells of a pause.
    pub(super) fn notice_pauses(&mut self) {
        let noticed = |event: &Event| match event.body {
            Body::CultivationPaused(_) => Some(true),
            Body::CultivationResumed(_) => Some(false),
            _ => None,
        };
        let mut changed = false;
        for stands in self.effects.events.iter().filter_map(noticed) {
            changed |= match stands {
                true => self.commands.ledger.stands(),
                false => !self.commands.continuing && self.commands.ledger.goes_on(),
            };
        }
        if changed {
            self.record.note(NOTE, self.commands.ledger.note());
        }
    }

    async fn keep_ledger(&mut self) -> Result<(), Exit> {
        self.record.link(GRPC);
        self.record.note(NOTE, self.commands.ledger.note());
        self.commit().await
    }

    /// Records how a command ended, and answers when that is durable.
    async fn tell_handled(&mut self, handled: Handled) -> Result<(), Exit> {
        let event = self.record.command_handled(
            device::CommandHandled {
                command: handled.command.clone(),
                outcome: handled.outcome,
                reason: handled.reason.clone(),
                correlation: handled.correlation.clone(),
                response_topic: handled.response_topic.clone(),
                broker: handled.broker.as_deref().map(str::to_owned),
                until: handled.until,
            },
            handled.causation,
        );
        if handled.until.is_some() {
            self.commands.ledger.told_of_pause(event);
        }
        self.keep_ledger().await?;
        if let (Some(broker), Some(topic)) = (handled.broker, handled.response_topic) {
            let mut payload = json!({"command": handled.command, "outcome": handled.outcome, "event": event});
            if let Some(reason) = handled.reason {
                payload["reason"] = reason.into();
            }
            if let Some(until) = handled.until {
                payload["until"] = until.to_string().into();
            }
            let correlation = handled.correlation.as_deref().and_then(from_hexadecimal);
            self.commands.exchange.answer(Answer { broker, topic, correlation, payload: payload.to_string().into() });
        }
        Ok(())
    }
}
