//! What was asked, what is under way and what is in force: a pure state machine. The journal keeps it as a note.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::exchange::WAITING;
use super::{Call, CallResult, Command, CommandSettings, Incoming, LONGEST_PAYLOAD, Outcome, hexadecimal};

/// Correlation data that are remembered; the oldest are forgotten beyond that.
const REMEMBERED: usize = 1000;
/// Bytes of correlation data.
const LONGEST_CORRELATION: usize = 64;
/// Between two attempts to continue.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// An instrument may take so long to come to a stand: until then `not paused` does not mean that a pause will not come.
const LATENCY: SignedDuration = SignedDuration::from_secs(120);

/// Everything that outlives the actor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Correlation data of accepted commands, hexadecimal, oldest first.
    seen: VecDeque<String>,
    /// The command that the instrument is being asked.
    pending: Option<Pending>,
    /// The pause that the daemon has to end.
    pause: Option<InForce>,
}

/// A command that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pending {
    call: Call,
    request: Request,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Request {
    command: String,
    broker: Arc<str>,
    response_topic: Option<String>,
    correlation: Option<String>,
}

/// A pause that is or may be in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// When it was decided.
    pub since: Timestamp,
    /// When the daemon continues.
    pub deadline: Timestamp,
    /// When it tries next.
    next: Timestamp,
    /// The event of the command.
    event: Option<Uuid>,
    /// Whether the instrument was seen to stand after that.
    stands: bool,
    /// The correlation data of the command.
    correlation: Option<String>,
    /// Whether it was told that continuing fails.
    told: bool,
}

/// How a command ended, for its event and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The command's name as it was asked for.
    pub command: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<String>,
    /// Correlation data, hexadecimal.
    pub correlation: Option<String>,
    /// Where the answer goes.
    pub response_topic: Option<String>,
    /// The broker that it came from; `None` where the daemon did it by itself.
    pub broker: Option<Arc<str>>,
    /// Until when a pause lasts at most.
    pub until: Option<Timestamp>,
    /// The event that led to this.
    pub causation: Option<Uuid>,
}

/// What follows from an answer of the instrument to a command.
pub type Settled = Handled;

/// What follows from an answer to the daemon's own `continue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The pause is over.
    Over(Handled),
    /// It is tried again; the text is new and worth telling.
    Failing(String),
    /// It is tried again.
    Again,
}

impl Ledger {
    /// What the journal kept; a note that cannot be read is an error, since a pause may stand in it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn restore(note: Option<&[u8]>) -> Result<Self, serde_json::Error> {
        note.map_or(Ok(Self::default()), serde_json::from_slice)
    }

    /// For the journal.
    pub fn note(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    /// Whether a command is under way.
    pub fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// The pause that is or may be in force.
    pub fn pause(&self) -> Option<&InForce> {
        self.pause.as_ref()
    }

    /// Judges a request. Accepted, it is under way, and a pause counts as in force: the ledger is to be kept before the
    /// instrument is asked.
    ///
    /// # Errors
    /// Why it is refused; nothing changed.
    pub fn judge(
        &mut self,
        incoming: &Incoming,
        settings: &CommandSettings,
        now: Timestamp,
    ) -> Result<Call, Box<Handled>> {
        let request = Request::of(incoming);
        match self.accept(incoming, settings, now) {
            Err(reason) => Err(Box::new(request.handled(Outcome::Refused, Some(reason)))),
            Ok(call) => {
                if let Some(correlation) = &request.correlation {
                    self.seen.push_back(correlation.clone());
                    while self.seen.len() > REMEMBERED {
                        self.seen.pop_front();
                    }
                }
                if let Some(lasts) = call.lasts() {
                    let deadline = now.checked_add(lasts).unwrap_or(Timestamp::MAX);
                    let correlation = request.correlation.clone();
                    self.pause = Some(InForce {
                        since: now,
                        deadline,
                        next: deadline,
                        event: None,
                        stands: false,
                        correlation,
                        told: false,
                    });
                }
                self.pending = Some(Pending { call: call.clone(), request });
                Ok(call)
            }
        }
    }

    /// Refuses a request that came while too many waited.
    pub fn turn_away(incoming: &Incoming) -> Handled {
        let reason = format!("busy: {WAITING} earlier requests to this device waited; try again later");
        Request::of(incoming).handled(Outcome::Refused, Some(reason))
    }

    fn accept(&self, incoming: &Incoming, settings: &CommandSettings, now: Timestamp) -> Result<Call, String> {
        let name = &incoming.name;
        let command = Command::from_name(name).ok_or_else(|| {
            format!("there is no command `{name}`; there are {}", Command::ALL.map(Command::name).join(", "))
        })?;
        if !settings.allow.contains(&command) {
            return Err(format!("the configuration of this device does not allow `{name}`"));
        }
        if incoming.retain {
            return Err("the command is retained; send it without the retain flag".to_owned());
        }
        let expiry =
            incoming.expiry_s.ok_or("the command has no message expiry interval; say how long it means something")?;
        let until = incoming.at.checked_add(SignedDuration::from_secs(i64::from(expiry))).unwrap_or(Timestamp::MAX);
        if until <= now {
            return Err(format!("the command expired at {until}"));
        }
        incoming.response.clone()?;
        let correlation = incoming.correlation.as_ref().filter(|data| !data.is_empty());
        let correlation =
            correlation.ok_or("the command has no correlation data, by which a second delivery is known")?;
        if correlation.len() > LONGEST_CORRELATION {
            return Err(format!("correlation data of {} bytes; {LONGEST_CORRELATION} at most", correlation.len()));
        }
        if self.seen.contains(&hexadecimal(correlation)) {
            return Err("a command with the same correlation data was handled before".to_owned());
        }
        if incoming.payload.len() > LONGEST_PAYLOAD {
            return Err(format!("the payload has more than {LONGEST_PAYLOAD} bytes"));
        }
        let call = Call::read(command, &incoming.payload, settings)?;
        match (&call, &self.pause) {
            (Call::Pause { .. }, Some(pause)) => {
                Err(format!("a pause is in force until {} at the latest", pause.deadline))
            }
            _ if self.pending.is_some() => Err("another command is under way".to_owned()),
            _ => Ok(call),
        }
    }

    /// The instrument answered the command that is under way.
    pub fn settle(&mut self, result: CallResult) -> Option<Settled> {
        let Pending { call, request } = self.pending.take()?;
        let (outcome, reason) = match result {
            CallResult::Done => (Outcome::Done, None),
            CallResult::NotPaused => (Outcome::Failed, Some("the instrument says that nothing is paused".to_owned())),
            CallResult::NotAsked(reason) | CallResult::Refused(reason) => (Outcome::Failed, Some(reason)),
            CallResult::Unknown(reason) => (Outcome::Unknown, Some(reason)),
        };
        let mut handled = request.handled(outcome, reason);
        match call {
            // What may be in force is ended at its deadline.
            Call::Pause { .. } if outcome == Outcome::Failed => self.pause = None,
            Call::Pause { .. } => handled.until = self.pause.as_ref().map(|pause| pause.deadline),
            Call::Continue if outcome == Outcome::Done => {
                handled.causation = self.pause.take().and_then(|pause| pause.event);
            }
            _ => {}
        }
        Some(handled)
    }

    /// The event that told of the pause.
    pub fn told_of_pause(&mut self, event: Uuid) {
        if let Some(pause) = &mut self.pause {
            pause.event.get_or_insert(event);
        }
    }

    /// The daemon was restarted: what was under way may or may not have been asked.
    pub fn restarted(&mut self) -> Option<Settled> {
        let reason = "the daemon stopped before the instrument's answer was recorded";
        self.settle(CallResult::Unknown(reason.to_owned()))
    }

    /// When the daemon has to continue, by its own decision.
    pub fn due(&self) -> Option<Timestamp> {
        self.pause.as_ref().filter(|_| self.pending.is_none()).map(|pause| pause.next)
    }

    /// The instrument answered the daemon's own `continue`.
    pub fn continued(&mut self, result: CallResult, now: Timestamp) -> Answered {
        let Some(pause) = &mut self.pause else { return Answered::Again };
        let reason = match result {
            CallResult::Done => "the pause's longest duration is over",
            CallResult::NotPaused if pause.stands || now >= pause.since + LATENCY => {
                "the pause's longest duration is over; the instrument says that nothing is paused"
            }
            CallResult::NotPaused => {
                pause.next = now + AGAIN;
                return Answered::Again;
            }
            CallResult::NotAsked(text) | CallResult::Refused(text) | CallResult::Unknown(text) => {
                pause.next = now + AGAIN;
                let news = !std::mem::replace(&mut pause.told, true);
                return if news { Answered::Failing(text) } else { Answered::Again };
            }
        };
        let handled = Handled {
            command: Command::Continue.name().to_owned(),
            outcome: Outcome::Done,
            reason: Some(reason.to_owned()),
            correlation: pause.correlation.clone(),
            response_topic: None,
            broker: None,
            until: None,
            causation: pause.event,
        };
        self.pause = None;
        Answered::Over(handled)
    }

    /// The line to the instrument is there again: what is overdue is tried at once.
    pub fn reached(&mut self, now: Timestamp) {
        if let Some(pause) = &mut self.pause
            && pause.next > now
            && pause.deadline <= now
        {
            pause.next = now;
        }
    }

    /// The instrument itself says, live, that the run stands. Whether something changed.
    pub fn stands(&mut self) -> bool {
        self.pause.as_mut().is_some_and(|pause| !std::mem::replace(&mut pause.stands, true))
    }

    /// The instrument itself says, live, that the run goes on: somebody else ended the pause. Whether something changed.
    pub fn goes_on(&mut self) -> bool {
        let ended = self.pending.is_none() && self.pause.as_ref().is_some_and(|pause| pause.stands);
        if ended {
            self.pause = None;
        }
        ended
    }
}

impl Request {
    fn of(incoming: &Incoming) -> Self {
        Self {
            command: incoming.name.clone(),
            broker: incoming.broker.clone(),
            response_topic: incoming.response.clone().ok(),
            correlation: incoming
                .correlation
                .as_ref()
                .map(|data| hexadecimal(&data[..data.len().min(LONGEST_CORRELATION)])),
        }
    }

    fn handled(self, outcome: Outcome, reason: Option<String>) -> Handled {
        Handled {
            command: self.command,
            outcome,
            reason,
            correlation: self.correlation,
            response_topic: self.response_topic,
            broker: Some(self.broker),
            until: None,
            causation: None,
        }
    }
}

#[cfg(test)]
mod tests;
