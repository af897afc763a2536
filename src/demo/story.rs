//! The story: what happens on purpose, and what is told of it.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use instrumentd_simulators::biolector::player::{Pace, Player, Switch};
use instrumentd_simulators::biolector::{BiolectorRun, Milestone, Quirk, Settings as RunSettings};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::broker::{self, Place};
use super::folder::TemporaryFolder;
use super::proxy::Proxy;
use super::score::Score;
use super::subscriber::{Heard, Subscriber};
use crate::config::{self, Settings};
use crate::daemon::Daemon;
use crate::event::DeviceId;

/// The device's id.
const DEVICE: &str = "biolector";
/// The site's id.
const SITE: &str = "demo";
/// Topics of everything the daemon publishes here begin so.
const ROOT: &str = "instrumentd/v1/demo";
/// Cycles of the run, of half an hour of the instrument each.
const CYCLES: u32 = 16;
/// The cycle in the middle of which the broker goes, the one after which it is back, and the one in the middle of which
/// the actor crashes.
const BROKER_GOES: u64 = 6;
const BROKER_RETURNS: u32 = 8;
const ACTOR_CRASHES: u64 = 12;
/// The filter set whose first reading is the middle of a cycle.
const MIDDLE: u64 = 3;
/// How long to wait, after the last row is written, for what is still on its way.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// How long a subscription on the loopback interface, or to the user's broker, may take.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(10);
/// How long a story that is ended early waits for what is under way.
const EARLY_END: Duration = Duration::from_secs(3);
/// Between two looks at what nobody tells by itself.
const LOOK: Duration = Duration::from_millis(100);
/// Steps of the instrument that were not told yet; when it is full the instrument waits.
const UNTOLD: usize = 64;

/// How the story is to go.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Seconds of the instrument in one of ours.
    pub speed: f64,
    /// A broker of the user's, in place of the embedded one.
    pub broker: Option<Place>,
}

/// Tells the story; `stop` ends it early. True where nothing was lost and nothing came out of order.
pub async fn tell(plot: Plot, stop: CancellationToken) -> anyhow::Result<bool> {
    let mut out = Narrator { begin: Instant::now() };
    out.plain(
        "A simulated BioLector Pro, the daemon, a broker and a subscriber, all in this process. Ctrl-C ends it.",
    )?;
    let folder = TemporaryFolder::new().context("cannot make a temporary folder")?;
    let own = plot.broker.is_none();
    let broker = match plot.broker {
        Some(place) => place,
        None => {
            let embedded = broker::start().await.context("cannot start the embedded broker")?;
            if embedded.usual_port_taken {
                out.plain("Port 1883 is taken by somebody else, so the broker listens on another one.")?;
            }
            embedded.place
        }
    };
    out.plain(&format!("  broker   {}:{}{}", broker.host, broker.port, if own { " (MQTT 5)" } else { " (yours)" }))?;
    out.plain(&format!("  folder   {} (removed at the end)", folder.path().display()))?;
    out.plain(&format!(
        "  listen   mosquitto_sub -h {} -p {} -t '{ROOT}/#' -V 5     (from another terminal)\n",
        broker.host, broker.port
    ))?;
    let mut subscriber = Subscriber::start(&broker, &format!("{ROOT}/devices/{DEVICE}"));
    if !subscriber.wait_until_ready(SUBSCRIBED_WITHIN).await {
        anyhow::bail!(
            "no subscription at the broker {}:{}; is it there, and does it speak MQTT 5?",
            broker.host,
            broker.port
        );
    }
    let proxy = Proxy::start(broker).await.context("cannot open a port for the proxy")?;
    let daemon = Daemon::start(settings(folder.path(), &proxy)?, Path::new("the demo")).await?;
    out.said("The daemon runs and watches the instrument's folder.")?;

    let (milestones, instrument, switch) = start_instrument(folder.path(), plot.speed)?;
    let device: DeviceId = DEVICE.parse()?;
    let mut story =
        Story { out, daemon, device, proxy, subscriber, chapter: Chapter::default(), latest: Latest::default() };
    story.run(milestones, &stop).await?;
    switch.off();
    tokio::task::spawn_blocking(move || instrument.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the instrument panicked"))??;
    story.end(own).await
}

/// The configuration that the daemon gets, as a user would write it.
fn settings(folder: &Path, proxy: &Proxy) -> anyhow::Result<Settings> {
    let text = format!(
        "[site]\nid = \"{SITE}\"\nnode = \"demo\"\n\
         [journal]\npath = \"journal.db\"\n\
         [brokers.main]\nhost = \"{}\"\nport = {}\n\
         [devices.{DEVICE}]\nprofile = \"biolector-pro\"\ntime_zone = \"UTC\"\n\
         files = {{ folder = \"results\", backfill = \"all\" }}\n",
        proxy.address().ip(),
        proxy.address().port()
    );
    std::fs::create_dir(folder.join("results")).context("cannot make the instrument's folder")?;
    config::parse(&text, "the demonstration's configuration", folder)
        .map(|loaded| loaded.settings)
        .map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// An instrument's thread.
type Instrument = std::thread::JoinHandle<anyhow::Result<()>>;

/// The instrument in a thread of its own, what it has to tell, and its switch.
fn start_instrument(folder: &Path, speed: f64) -> anyhow::Result<(mpsc::Receiver<Milestone>, Instrument, Switch)> {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let run = BiolectorRun::new(RunSettings {
        cycles: CYCLES,
        filtersets: 4,
        cycle_seconds: 1800,
        growth_hours: 6.0,
        pause_every: Some(3),
        overload_above: Some(900.0),
        start: now,
        process: 1,
        protocol: "Demo".to_owned(),
        quirks: [Quirk::LateComments].into(),
        ..RunSettings::default()
    })?;
    let player = Player::start(run, folder.join("results"), Pace::Times(speed), UNTOLD);
    let switch = player.switch();
    let (tell, milestones) = mpsc::channel(UNTOLD);
    let thread = std::thread::Builder::new().name("instrument".to_owned()).spawn(move || {
        for step in player.done() {
            for milestone in step.milestones {
                if tell.blocking_send(milestone).is_err() {
                    return Ok(());
                }
            }
        }
        player.join().map_err(anyhow::Error::from)
    })?;
    Ok((milestones, thread, switch))
}

/// What is going on.
#[derive(Debug, Default)]
struct Chapter {
    /// The broker was taken away and is not back.
    broker_gone: bool,
    /// When it came back, and how many events had to arrive until all that waited was there.
    broker_back: Option<(Instant, u64)>,
    /// When the actor was crashed, and how often it had been restarted before.
    crashed: Option<(Instant, u64)>,
    /// The last row is written.
    written: Option<Instant>,
    /// The subscriber has heard that the run is over.
    completed: bool,
    /// An overloaded reading was told of.
    overload_told: bool,
}

/// The latest values of the well that the story follows.
#[derive(Debug, Default)]
struct Latest {
    biomass: Option<f64>,
    ph: Option<f64>,
    oxygen: Option<f64>,
}

struct Story {
    out: Narrator,
    daemon: Daemon,
    device: DeviceId,
    proxy: Proxy,
    subscriber: Subscriber,
    chapter: Chapter,
    latest: Latest,
}

impl Story {
    async fn run(&mut self, mut milestones: mpsc::Receiver<Milestone>, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    self.out.said("You end the story early.")?;
                    // Whoever stops it should not have to wait for a broker that is away on purpose.
                    self.proxy.mend();
                    return Ok(());
                }
                Some(milestone) = milestones.recv() => self.happened(&milestone)?,
                Some(heard) = self.subscriber.heard() => {
                    self.heard(&heard)?;
                    self.act_on(&heard).await?;
                }
                _ = look.tick() => {
                    if self.looked()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The number of events in the journal.
    fn made(&self) -> u64 {
        let devices = self.daemon.journal().devices();
        devices.into_iter().find(|kept| kept.device == self.device).map_or(0, |kept| kept.last_sequence)
    }

    fn waiting(&self) -> u64 {
        self.subscriber.score().missing(self.made())
    }

    /// Something happened at the instrument.
    fn happened(&mut self, milestone: &Milestone) -> io::Result<()> {
        match milestone {
            Milestone::CycleWritten(BROKER_RETURNS..) if self.chapter.broker_gone => self.give_broker_back(),
            Milestone::CycleWritten(cycle) if self.chapter.broker_gone => self.out.said(&format!(
                "The instrument has written cycle {cycle}; {} events wait in the journal.",
                self.waiting()
            )),
            Milestone::Ended => {
                self.chapter.written = Some(Instant::now());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn give_broker_back(&mut self) -> io::Result<()> {
        let waiting = self.waiting();
        self.proxy.mend();
        self.chapter.broker_gone = false;
        self.chapter.broker_back = Some((Instant::now(), self.made()));
        self.out.act(&format!("The broker is back. {waiting} events wait for it in the journal, on disk."))
    }

    /// The subscriber heard something new.
    fn heard(&mut self, heard: &Heard) -> io::Result<()> {
        let data = &heard.data;
        let name = heard.event_type.trim_start_matches("instrumentd.").trim_end_matches(".v1");
        match name {
            "cultivation.started" => {
                let channels = data["channels"].as_array().map_or(0, Vec::len);
                self.out.said(&format!("The run begins: 48 wells, {channels} filter sets. From here on we follow well A01."))
            }
            "cultivation.measured" => self.reading(heard),
            "cultivation.cycle-completed" => {
                let count = |member: &str| -> u64 {
                    let channels = data["channels"].as_array().map(Vec::as_slice).unwrap_or_default();
                    channels.iter().filter_map(|channel| channel[member].as_u64()).sum()
                };
                let unusable = match count("invalid") {
                    0 => String::new(),
                    invalid => format!(", {invalid} of them overloaded"),
                };
                let (cycle, seen) = (data["cycle"].as_u64().unwrap_or_default(), count("seen"));
                self.out.said(&format!("Cycle {cycle:>2}: {seen} readings{unusable}. {}", self.latest))
            }
            "cultivation.paused" => self.out.said(
                "Somebody paused the run and opened the cover for a sample; the instrument writes it down when it is over.",
            ),
            "cultivation.completed" | "cultivation.stopped" => {
                self.chapter.completed = true;
                self.out.said(&format!("The run is over after {} cycles.", data["cycles"]))
            }
            "device.gap" => self.out.said(&format!("A gap: {}", data["text"].as_str().unwrap_or("no reason given"))),
            _ => Ok(()),
        }
    }

    /// Some readings are the cue for a misfortune, in the middle of a cycle when messages are under way.
    async fn act_on(&mut self, heard: &Heard) -> io::Result<()> {
        let data = &heard.data;
        if data["well"] != "A01" || data["filterset"].as_u64() != Some(MIDDLE) {
            return Ok(());
        }
        match data["cycle"].as_u64() {
            Some(BROKER_GOES) => {
                self.proxy.cut();
                self.chapter.broker_gone = true;
                self.out.act("The broker goes down: its connections are cut, new ones are refused. The instrument knows nothing of it.")
            }
            Some(ACTOR_CRASHES) => {
                let restarts = self.daemon.board().device(&self.device).map_or(0, |state| state.restarts.0);
                self.chapter.crashed = Some((Instant::now(), restarts));
                self.out.act("The task that reads the instrument is crashed on purpose, in the middle of its work.")?;
                self.daemon.crash(&self.device).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn reading(&mut self, heard: &Heard) -> io::Result<()> {
        let data = &heard.data;
        if data["quality"] == "overload" && !self.chapter.overload_told {
            self.chapter.overload_told = true;
            let text = |member: &str| data[member].as_str().unwrap_or("?").to_owned();
            return self.out.said(&format!(
                "Well {}: the detector of {} is overloaded. The reading is published all the same, with quality `overload`.",
                text("well"),
                text("channel")
            ));
        }
        if let (Some("A01"), Some(value)) = (data["well"].as_str(), data["value"].as_f64()) {
            match data["kind"].as_str() {
                Some("biomass") if data["filterset"] == 1 => self.latest.biomass = Some(value),
                Some("ph") => self.latest.ph = Some(value),
                Some("do") => self.latest.oxygen = Some(value),
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks at what nobody tells by itself; true when the story is over.
    fn looked(&mut self) -> io::Result<bool> {
        let score = self.subscriber.score();
        if let Some((since, until)) = self.chapter.broker_back
            && score.different >= until
        {
            self.chapter.broker_back = None;
            let seconds = since.elapsed().as_secs_f64();
            self.out
                .said(&format!("Everything that waited has arrived, {seconds:.1} s after the broker came back."))?;
        }
        if let Some((since, before)) = self.chapter.crashed
            && let Some(state) = self.daemon.board().device(&self.device)
            && state.restarts.0 > before
            && state.actor == "running"
        {
            self.chapter.crashed = None;
            let reason = state.restarts.1.unwrap_or_default();
            let seconds = since.elapsed().as_secs_f64();
            self.out.said(&format!(
                "Its supervisor started it again after {seconds:.1} s ({reason}); it goes on where the journal says it was."
            ))?;
        }
        let Some(written) = self.chapter.written else { return Ok(false) };
        // At a great speed the run may be over before the broker went.
        if self.chapter.broker_gone {
            self.give_broker_back()?;
        }
        let all_there = self.chapter.completed && score.missing(self.made()) == 0;
        if !all_there && written.elapsed() > LAST_WORDS {
            self.out.said("Not everything has arrived in time; the count says what.")?;
            return Ok(true);
        }
        Ok(all_there)
    }

    /// Stops the daemon and counts.
    async fn end(mut self, own_broker: bool) -> anyhow::Result<bool> {
        let deadline = Instant::now() + EARLY_END;
        while self.waiting() > 0 && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
        let journal = self.daemon.journal().clone();
        self.out.said("The daemon is stopped.")?;
        self.daemon.stop().await;
        let kept = journal.devices().into_iter().find(|kept| kept.device == self.device);
        let made = kept.map_or(0, |kept| kept.last_sequence);
        let deadline = Instant::now() + EARLY_END;
        while self.subscriber.score().missing(made) > 0 && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
        let score = self.subscriber.score();
        let why = match score.repeated {
            0 => "",
            _ => "   the same event with the same id, because nobody can say what a cut connection still carried",
        };
        self.out.plain(&format!(
            "\nThe subscriber, which knows nothing of the daemon, has counted:\n\
             \x20 made          {made:>6}   events in the journal\n\
             \x20 received      {:>6}   messages\n\
             \x20 missing       {:>6}\n\
             \x20 repeated      {:>6}{why}\n\
             \x20 out of order  {:>6}",
            score.received,
            score.missing(made),
            score.repeated,
            score.out_of_order
        ))?;
        if !own_broker {
            let topics = ["nodes/demo/state", "devices/biolector/info", "devices/biolector/state"];
            self.subscriber.forget(&topics.map(|topic| format!("{ROOT}/{topic}"))).await;
            self.subscriber.end().await;
        }
        Ok(is_flawless(&score, made))
    }
}

/// Whether nothing was lost and nothing came out of order. Repeated messages are in the contract.
fn is_flawless(score: &Score, made: u64) -> bool {
    made > 0 && score.missing(made) == 0 && score.out_of_order == 0 && score.unreadable == 0
}

impl std::fmt::Display for Latest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (Some(biomass), Some(ph), Some(oxygen)) = (self.biomass, self.ph, self.oxygen) {
            write!(f, "A01: biomass {biomass:.1}, pH {ph:.2}, oxygen {oxygen:.0} %")?;
        }
        Ok(())
    }
}

/// Says things on the terminal, with the time since the beginning.
struct Narrator {
    begin: Instant,
}

impl Narrator {
    fn plain(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    fn said(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{:5.1} s   {text}", self.begin.elapsed().as_secs_f64())
    }

    /// Something that is done on purpose.
    fn act(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{:5.1} s * {text}", self.begin.elapsed().as_secs_f64())
    }
}
