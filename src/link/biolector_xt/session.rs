//! One connection: the stream, and questions beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use instrument_proto::biolector_xt::client::BioLectorXtRemoteControlClient;
use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{CoverState, GetCurrentProgressResponse, StatusUpdateStreamResponse};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::{Code, Request, Response, Status, Streaming};

use super::order::Order;
use super::outlet::{Gone, Outlet};
use super::{SILENT, XtEvent, download};
use crate::driver::biolector_xt::Ask;
use crate::link::grpc::{Connection, Failure, Kind, Receipt, Service, Waits};
use crate::profile::LiveProfile;

pub(super) type Client = BioLectorXtRemoteControlClient<Service>;

/// The stream, in what is said of it.
const STREAM: &str = "StatusUpdateStream";

/// What is remembered from one connection to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// When the file of a running experiment was asked for last.
    pub running_downloaded: Option<Instant>,
    /// Whether the stream ended with something that is no message.
    pub stream_was_strange: bool,
}

/// How a session ended.
pub(super) struct Ended {
    pub failure: Failure,
    /// Whether it had been opened.
    pub was_open: bool,
}

/// What a question was answered with.
type Answer = Vec<(XtEvent, Option<Receipt>)>;

/// One question's kind; of each one is under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Question {
    Progress,
    Experiments,
    /// Beside the experiments, for the names of runs.
    Protocols,
    Values,
    Cover,
    Temperature,
    Shaker,
}

impl Question {
    fn name(self) -> &'static str {
        match self {
            Self::Progress => "GetCurrentProgress",
            Self::Experiments => "GetExperimentList",
            Self::Protocols => "GetProtocols",
            Self::Values => "GetCultivationValues",
            Self::Cover => "GetCoverState",
            Self::Temperature => "GetTemperatureControlStatus",
            Self::Shaker => "GetShakerControlStatus",
        }
    }
}

pub(super) struct Session {
    connection: Connection,
    client: Client,
    live: LiveProfile,
    outlet: Outlet,
    /// Questions under way; the count says how often each was asked again meanwhile.
    calls: JoinSet<(Question, Result<Answer, Status>)>,
    under_way: BTreeMap<Question, bool>,
    faulted: BTreeMap<Question, bool>,
    cover_moves: watch::Sender<bool>,
    downloads: JoinSet<()>,
    /// A file of a running experiment that waits for its turn.
    waiting: Option<(String, Instant)>,
    /// When the stream last said something, and how far the run was then.
    spoke: Instant,
    progress: Option<GetCurrentProgressResponse>,
    went_on: bool,
}

impl Session {
    pub fn new(connection: Connection, live: LiveProfile, outlet: Outlet) -> Self {
        let most = connection.max_message();
        let client = BioLectorXtRemoteControlClient::new(connection.service()).max_decoding_message_size(most);
        Self {
            connection,
            client,
            live,
            outlet,
            calls: JoinSet::new(),
            under_way: BTreeMap::new(),
            faulted: BTreeMap::new(),
            cover_moves: watch::Sender::new(false),
            downloads: JoinSet::new(),
            waiting: None,
            spoke: Instant::now(),
            progress: None,
            went_on: false,
        }
    }

    /// Runs until the connection or the stream ends.
    pub async fn run(
        mut self,
        asks: &mut mpsc::Receiver<Ask>,
        orders: &mut mpsc::Receiver<Order>,
        memory: &mut Memory,
        waits: &mut Waits,
    ) -> Result<Ended, Gone> {
        // The first answer shows that it is the right service, and that it lets the daemon in.
        let experiments = match self.experiments().await {
            Ok(experiments) => experiments,
            Err(status) => return Ok(self.ended(&status, false)),
        };
        let (place, epoch) = (self.connection.peer().to_owned(), uuid::Uuid::now_v7().to_string());
        self.outlet.send(XtEvent::Opened { place, epoch }).await?;
        waits.reset();
        self.give(experiments).await?;
        let mut client = self.client.clone();
        let mut opening = Box::pin(async move { client.status_update_stream(Request::new(())).await });
        let mut stream: Option<Streaming<StatusUpdateStreamResponse>> = None;
        let mut receipt = None;
        let every = |duration: Duration| {
            let mut ticks = interval(duration);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let mut progress = every(self.live.progress_every);
        let mut values = every(self.live.values_every);
        let mut experiments = every(self.live.experiments_every);
        experiments.reset();
        let mut look = every(Duration::from_secs(1));
        for question in [Question::Cover, Question::Temperature, Question::Shaker] {
            self.ask(question);
        }
        loop {
            let is_opening = stream.is_none();
            let item = async {
                match &mut stream {
                    Some(stream) => stream.message().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                opened = &mut opening, if is_opening => match opened {
                    Ok(opened) => {
                        receipt = Receipt::of(&opened);
                        stream = Some(opened.into_inner());
                    }
                    Err(status) => return Ok(self.ended(&status, true)),
                },
                item = item => match item {
                    Ok(Some(item)) => {
                        if std::mem::take(&mut memory.stream_was_strange) {
                            self.outlet.send(XtEvent::Recovered { what: STREAM }).await?;
                        }
                        self.heard(item, receipt.as_slice()).await?;
                    }
                    Ok(None) => {
                        let status = Status::unavailable("the instrument ended the stream");
                        return Ok(self.ended(&status, true));
                    }
                    Err(status) => {
                        if let Some(event) = self.strange(STREAM, &status) {
                            memory.stream_was_strange = true;
                            self.outlet.send(event).await?;
                        }
                        return Ok(self.ended(&status, true));
                    }
                },
                Some(ask) = asks.recv() => match ask {
                    Ask::Progress => self.ask(Question::Progress),
                    Ask::Experiments => self.ask(Question::Experiments),
                    Ask::Values => self.ask(Question::Values),
                    Ask::Download { experiment, is_finished } => self.wanted(experiment, is_finished, memory).await?,
                },
                Some(order) = orders.recv() => {
                    // Not one of the session's tasks: what is being asked is not taken back when the stream ends.
                    tokio::spawn(order.carry_out(self.client.clone(), self.connection.clone()));
                }
                Some(answer) = self.calls.join_next() => {
                    if let Ok((question, answer)) = answer
                        && let Some(ended) = self.answered(question, answer).await?
                    {
                        return Ok(ended);
                    }
                }
                Some(_) = self.downloads.join_next() => {}
                _ = progress.tick() => self.ask(Question::Progress),
                _ = values.tick() => self.ask(Question::Values),
                _ = experiments.tick() => self.ask(Question::Experiments),
                _ = look.tick() => {
                    if self.went_on && self.spoke.elapsed() > SILENT {
                        let status = Status::unavailable("the stream is silent although the run goes on");
                        return Ok(self.ended(&status, true));
                    }
                    if self.waiting.as_ref().is_some_and(|(_, due)| *due <= Instant::now())
                        && let Some((experiment, _)) = self.waiting.take()
                    {
                        self.wanted(experiment, false, memory).await?;
                    }
                }
            }
        }
    }

    fn ended(&self, status: &Status, was_open: bool) -> Ended {
        Ended { failure: self.connection.failure(status), was_open }
    }

    /// What to say of an answer that is none of this service.
    fn strange(&self, what: &'static str, status: &Status) -> Option<XtEvent> {
        let failure = self.connection.failure(status);
        let is_strange = matches!(failure.kind, Kind::Malformed | Kind::TooLarge);
        is_strange.then(|| faulted(what, failure))
    }

    async fn heard(&mut self, item: StatusUpdateStreamResponse, receipt: &[Receipt]) -> Result<(), Gone> {
        self.spoke = Instant::now();
        self.went_on = false;
        // An item of a later version of the interface.
        let Some(update) = item.update else { return Ok(()) };
        if let Update::CoverState(state) = &update {
            self.cover_moves.send_replace(*state == CoverState::CovMoving as i32);
        }
        self.outlet.take(receipt, XtEvent::Heard(update)).await
    }

    async fn give(&mut self, answer: Answer) -> Result<(), Gone> {
        for (event, receipt) in answer {
            match &event {
                XtEvent::Faulted { .. } if self.faulted.insert(Question::Protocols, true).is_some() => continue,
                XtEvent::Protocols(_) if self.faulted.remove(&Question::Protocols).is_some() => {
                    self.outlet.send(XtEvent::Recovered { what: Question::Protocols.name() }).await?;
                }
                XtEvent::Progress(progress) => {
                    let before = self.progress.replace(*progress);
                    let place = |p: &GetCurrentProgressResponse| (p.cycle, p.current_channel, p.current_cultivation);
                    self.went_on |= before.is_some_and(|before| place(&before) != place(progress));
                }
                XtEvent::Cover(cover) => {
                    self.cover_moves.send_replace(*cover == CoverState::CovMoving);
                }
                _ => {}
            }
            self.outlet.take(receipt.as_slice(), event).await?;
        }
        Ok(())
    }

    async fn experiments(&self) -> Result<Answer, Status> {
        let mut client = self.client.clone();
        experiments(&mut client, &self.connection).await
    }

    /// Asks, unless the same is being asked: then it is asked once more after that.
    fn ask(&mut self, question: Question) {
        if let Some(again) = self.under_way.get_mut(&question) {
            *again = true;
            return;
        }
        self.under_way.insert(question, false);
        let (mut client, connection) = (self.client.clone(), self.connection.clone());
        self.calls.spawn(async move { (question, put(question, &mut client, &connection).await) });
    }

    async fn answered(&mut self, question: Question, answer: Result<Answer, Status>) -> Result<Option<Ended>, Gone> {
        let again = self.under_way.remove(&question).unwrap_or(false);
        match answer {
            Ok(answer) => {
                if self.faulted.remove(&question).is_some() {
                    self.outlet.send(XtEvent::Recovered { what: question.name() }).await?;
                }
                self.give(answer).await?;
                if again {
                    self.ask(question);
                }
            }
            Err(status) => {
                let failure = self.connection.failure(&status);
                let is_over = matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unauthenticated);
                // One call that fails, or is not answered in time, does not end the stream.
                if is_over && failure.kind != Kind::Late {
                    return Ok(Some(self.ended(&status, true)));
                }
                if self.faulted.insert(question, true).is_none() {
                    self.outlet.send(faulted(question.name(), failure)).await?;
                }
            }
        }
        Ok(None)
    }

    /// An experiment's file is wanted: of one that runs only now and then, and not while the cover moves.
    async fn wanted(&mut self, experiment: String, is_finished: bool, memory: &mut Memory) -> Result<(), Gone> {
        if !is_finished {
            let Some(every) = self.live.download_running_every else {
                let outcome = Err("the profile says that the file of a running experiment is not asked for".to_owned());
                return self.outlet.send(XtEvent::Downloaded { experiment, outcome }).await;
            };
            let now = Instant::now();
            let due = memory.running_downloaded.map_or(now, |last| last + every);
            if due > now {
                self.waiting = Some((experiment, due));
                return Ok(());
            }
            if *self.cover_moves.borrow() {
                self.waiting = Some((experiment, now + Duration::from_secs(5)));
                return Ok(());
            }
            memory.running_downloaded = Some(now);
        }
        let wanted = download::Wanted {
            experiment,
            is_finished,
            most: self.live.max_download_bytes,
            cover_moves: self.cover_moves.subscribe(),
        };
        let (client, connection, outlet) = (self.client.clone(), self.connection.clone(), self.outlet.clone());
        self.downloads.spawn(download::run(client, connection, wanted, outlet));
        Ok(())
    }
}

fn faulted(what: &'static str, failure: Failure) -> XtEvent {
    XtEvent::Faulted { what, text: format!("{what}: {failure}"), remedy: Some(failure.remedy) }
}

async fn experiments(client: &mut Client, connection: &Connection) -> Result<Answer, Status> {
    let mut events = Vec::new();
    // Only for the names of runs: without them it goes on.
    match client.get_protocols(connection.call(())).await {
        Ok(protocols) => events.push(received(protocols)),
        Err(status) => {
            let failure = connection.failure(&status);
            match failure.kind {
                Kind::TooLarge => events.push((faulted(Question::Protocols.name(), failure), None)),
                // The connection is spoilt, or the other side speaks something else.
                Kind::Malformed | Kind::Closed | Kind::Tls => return Err(status),
                _ => {}
            }
        }
    }
    events.push(received(client.get_experiment_list(connection.call(())).await?));
    Ok(events)
}

async fn put(question: Question, client: &mut Client, connection: &Connection) -> Result<Answer, Status> {
    let request = connection.call(());
    let received = match question {
        Question::Experiments | Question::Protocols => return experiments(client, connection).await,
        Question::Progress => received(client.get_current_progress(request).await?),
        Question::Values => received(client.get_cultivation_values(request).await?),
        Question::Cover => received(client.get_cover_state(request).await?),
        Question::Temperature => received(client.get_temperature_control_status(request).await?),
        Question::Shaker => received(client.get_shaker_control_status(request).await?),
    };
    Ok(vec![received])
}

/// What an answer says, and what stands for it in a recording.
fn received<M: Into<XtEvent>>(answer: Response<M>) -> (XtEvent, Option<Receipt>) {
    let receipt = Receipt::of(&answer);
    (answer.into_inner().into(), receipt)
}
