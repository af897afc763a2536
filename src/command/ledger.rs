//! What was asked, what is under way and what is in force: a pure state machine. The journal keeps it as a note.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Call, CallResult, Command, CommandSettings, Incoming, Outcome, hexadecimal};

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
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
    }

    fn settings() -> CommandSettings {
        CommandSettings { allow: Command::ALL.to_vec(), pause_max: Duration::from_secs(300), pause_stops_shaker: false }
    }

    fn asked(name: &str, payload: &str, correlation: &str) -> Incoming {
        Incoming {
            device: "xt-1".parse().expect("a name"),
            name: name.to_owned(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            retain: false,
            expiry_s: Some(30),
            at: at(0),
            correlation: Some(Bytes::copy_from_slice(correlation.as_bytes())),
            response: Ok("responses/me".to_owned()),
            broker: "local".into(),
        }
    }

    fn pause(correlation: &str) -> Incoming {
        asked("pause", r#"{"max_duration_s": 60}"#, correlation)
    }

    fn refusal(incoming: &Incoming) -> String {
        let handled = Ledger::default().judge(incoming, &settings(), at(1)).expect_err("refused");
        assert_eq!(handled.outcome, Outcome::Refused);
        handled.reason.expect("a reason")
    }

    #[test]
    fn what_is_not_to_be_done_is_refused_with_its_reason() {
        let fine = pause("a");
        let cases = [
            (Incoming { retain: true, ..fine.clone() }, "retained"),
            (Incoming { expiry_s: None, ..fine.clone() }, "no message expiry"),
            (Incoming { expiry_s: Some(1), ..fine.clone() }, "expired"),
            (Incoming { correlation: None, ..fine.clone() }, "no correlation data"),
            (Incoming { correlation: Some(Bytes::from(vec![7; 65])), ..fine.clone() }, "65 bytes"),
            (Incoming { response: Err("no response topic".to_owned()), ..fine.clone() }, "no response topic"),
            (asked("stop", "", "a"), "there is no command `stop`"),
            (asked("pause", "{}", "a"), "max_duration_s"),
            (asked("pause", r#"{"max_duration_s": 301}"#, "a"), "allowed are 1 to 300"),
            (asked("pause", r#"{"max_duration_s": 0}"#, "a"), "allowed are 1 to 300"),
            (asked("add-comment", r#"{"text": "one\ntwo"}"#, "a"), "on one line"),
            (asked("continue", "[1]", "a"), "not understood"),
        ];
        for (incoming, wanted) in cases {
            let reason = refusal(&incoming);
            assert!(reason.contains(wanted), "{reason}");
        }
        let none = CommandSettings { allow: vec![Command::AddComment], ..settings() };
        let handled = Ledger::default().judge(&fine, &none, at(1)).expect_err("refused");
        assert!(handled.reason.expect("a reason").contains("does not allow `pause`"));
    }

    #[test]
    fn correlation_data_stay_known_over_a_restart_and_refusals_do_not_use_them_up() {
        let mut ledger = Ledger::default();
        ledger.judge(&Incoming { retain: true, ..pause("a") }, &settings(), at(1)).expect_err("retained");
        ledger.judge(&pause("a"), &settings(), at(1)).expect("now it is fine");
        ledger.settle(CallResult::Done).expect("it was under way");
        let mut ledger = Ledger::restore(ledger.note().as_deref()).expect("a note");
        let again = ledger.judge(&asked("continue", "", "a"), &settings(), at(2)).expect_err("seen");
        assert!(again.reason.expect("a reason").contains("same correlation data"));
    }

    #[test]
    fn a_pause_is_ended_at_its_deadline_also_when_the_daemon_was_restarted_before_the_answer() {
        let mut ledger = Ledger::default();
        let call = ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
        assert_eq!(call, Call::Pause { stop_shaker: false, max_s: 60 });
        assert_eq!(ledger.due(), None, "not while the instrument is asked");
        let mut ledger = Ledger::restore(ledger.note().as_deref()).expect("a note");
        let handled = ledger.restarted().expect("it was under way");
        assert_eq!((handled.outcome, handled.until), (Outcome::Unknown, Some(at(61))));
        assert_eq!(ledger.due(), Some(at(61)));
        let event = Uuid::from_u128(7);
        ledger.told_of_pause(event);
        assert_eq!(ledger.continued(CallResult::NotAsked("gone".into()), at(61)), Answered::Failing("gone".into()));
        assert_eq!(ledger.continued(CallResult::NotAsked("gone".into()), at(66)), Answered::Again);
        assert_eq!(ledger.due(), Some(at(71)));
        ledger.reached(at(68));
        assert_eq!(ledger.due(), Some(at(68)));
        let Answered::Over(over) = ledger.continued(CallResult::Done, at(68)) else { panic!("it is over") };
        assert_eq!((over.outcome, over.causation), (Outcome::Done, Some(event)));
        assert_eq!(ledger.due(), None);
    }

    #[test]
    fn not_paused_is_believed_only_when_the_pause_cannot_come_any_more() {
        let mut ledger = Ledger::default();
        ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
        ledger.settle(CallResult::Done);
        assert_eq!(ledger.continued(CallResult::NotPaused, at(61)), Answered::Again);
        assert_eq!(ledger.due(), Some(at(66)));
        assert!(matches!(ledger.continued(CallResult::NotPaused, at(122)), Answered::Over(_)));
    }

    #[test]
    fn a_pause_that_was_not_asked_for_is_not_in_force_and_one_that_failed_to_answer_is() {
        for (result, outcome, in_force) in [
            (CallResult::NotAsked("not connected".into()), Outcome::Failed, false),
            (CallResult::Refused("no".into()), Outcome::Failed, false),
            (CallResult::Unknown("cut".into()), Outcome::Unknown, true),
            (CallResult::Done, Outcome::Done, true),
        ] {
            let mut ledger = Ledger::default();
            ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
            assert_eq!(ledger.settle(result).expect("under way").outcome, outcome);
            assert_eq!(ledger.pause().is_some(), in_force);
        }
    }

    #[test]
    fn a_continue_ends_the_pause_early_and_a_second_pause_waits_for_that() {
        let mut ledger = Ledger::default();
        ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
        ledger.settle(CallResult::Done);
        let second = ledger.judge(&pause("b"), &settings(), at(2)).expect_err("one is in force");
        assert!(second.reason.expect("a reason").contains("a pause is in force"));
        ledger.judge(&asked("continue", "{}", "c"), &settings(), at(3)).expect("fine");
        ledger.settle(CallResult::NotPaused);
        assert_eq!(ledger.due(), Some(at(61)), "what was not continued stays to be");
        ledger.judge(&asked("continue", "", "d"), &settings(), at(4)).expect("fine");
        ledger.settle(CallResult::Done);
        assert_eq!(ledger.due(), None);
    }

    #[test]
    fn somebody_elses_continue_ends_the_pause_once_the_instrument_was_seen_to_stand() {
        let mut ledger = Ledger::default();
        ledger.judge(&pause("a"), &settings(), at(1)).expect("fine");
        ledger.settle(CallResult::Done);
        assert!(!ledger.goes_on(), "an older pause's end");
        assert!(ledger.stands());
        assert!(ledger.goes_on());
        assert_eq!(ledger.due(), None);
    }
}
