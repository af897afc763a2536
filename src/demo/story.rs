//! The story: what happens on purpose, and when.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use instrumentd_simulators::biolector::Milestone;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::account::Account;
use super::broker::{self, Place};
use super::cultivation::Cultivation;
use super::ejector::Ejector;
use super::folder::TemporaryFolder;
use super::last_words::{hear_of_the_end, hear_out};
use super::live::LiveCultivation;
use super::narrator::Narrator;
use super::proxy::Proxy;
use super::robot::{Robot, Sampled};
use super::score::Made;
use super::spectrometer::Spectrometer;
use super::stage::{self, ROOT};
use super::subscriber::{Heard, Subscriber};
use super::teller::Teller;
use crate::daemon::Daemon;
use crate::event::DeviceId;
use crate::journal::DeviceStatus;

/// The cycle in the middle of which the broker goes, the one after which it is back, and the one in the middle of which
/// the actor crashes.
const BROKER_GOES: u64 = 6;
const BROKER_RETURNS: u32 = 8;
const ACTOR_CRASHES: u64 = 11;
/// The filter set whose first reading is the middle of a cycle.
const MIDDLE: u64 = 3;
/// The cycle of the BioLector XT in which its network goes, and the filter set in which it does.
const NETWORK_GOES: u64 = 4;
const SECOND: u64 = 2;
/// How long to wait, after the instruments have done their last, for what is still on its way.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// How long a subscription on the loopback interface, or to the user's broker, may take.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at what nobody tells by itself.
const LOOK: Duration = Duration::from_millis(100);

/// How the story is to go.
#[derive(Debug, Clone)]
pub struct Plot {
    /// How many times as fast as usual; 1 is about a minute.
    pub speed: f64,
    /// A broker of the user's, in place of the embedded one.
    pub broker: Option<Place>,
}

/// Tells the story; `stop` ends it early. True where nothing was lost and nothing came out of order.
pub async fn tell(plot: Plot, stop: CancellationToken) -> anyhow::Result<bool> {
    let out = Narrator::new();
    out.plain(
        "A simulated BioLector Pro, a robot that samples its plate, an Echo MS+ that ejects the samples into a ZenoTOF 7600, a BioLector XT\n\
         that is followed live, the daemon, a broker and a subscriber, all in this process. Ctrl-C ends it.",
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
    let mut subscriber = Subscriber::start(&broker, ROOT);
    if !subscriber.wait_until_ready(SUBSCRIBED_WITHIN).await {
        anyhow::bail!(
            "no subscription at the broker {}:{}; is it there, and does it speak MQTT 5?",
            broker.host,
            broker.port
        );
    }
    let proxy = Proxy::start(broker).await.context("cannot open a port for the proxy")?;
    let ejector = Ejector::start()?;
    let pace = plot.speed * stage::USUAL_PACE;
    let live = LiveCultivation::start(pace)?;
    let settings = stage::settings(folder.path(), &proxy, live.address(), ejector.address())?;
    let robot = Robot::start(folder.path(), pace)?;
    let daemon = Daemon::start(settings, std::path::Path::new("the demo")).await?;
    out.said("The daemon runs: it watches two folders, taps the line between the robot and its control software, follows the BioLector XT's stream, and subscribes to the Echo's gateway.")?;
    let story = Story {
        out,
        pace,
        place: folder.path().to_owned(),
        daemon,
        biolector: stage::BIOLECTOR.parse()?,
        proxy,
        subscriber,
        chapter: Chapter::default(),
        teller: Teller::default(),
        robot,
        live,
        ejector,
        spectrometer: None,
    };
    let cultivation = Cultivation::begin(folder.path(), pace)?;
    story.play(cultivation, &stop, own).await
}

/// What is going on.
#[derive(Debug, Default)]
struct Chapter {
    /// The broker was taken away and is not back.
    broker_gone: bool,
    /// When it came back, and what had to arrive until all that waited was there.
    broker_back: Option<(Instant, Made)>,
    /// When the actor was crashed, and how often it had been restarted before.
    crashed: Option<(Instant, u64)>,
    /// The BioLector XT's network was taken away.
    network_went: bool,
    /// Samplings that were told of, heard or not.
    sampled_told: usize,
    /// The BioLector's last row is written.
    run_written: bool,
    /// Since when the story waits for the same: for the robot to finish, or for what the instruments' last made.
    waits: Option<Instant>,
    /// It came to its end.
    ended: bool,
    /// Not all of it came about in time.
    fell_short: bool,
}

struct Story {
    out: Narrator,
    /// Seconds of the instruments in one of ours.
    pace: f64,
    place: PathBuf,
    daemon: Daemon,
    biolector: DeviceId,
    proxy: Proxy,
    subscriber: Subscriber,
    chapter: Chapter,
    teller: Teller,
    robot: Robot,
    live: LiveCultivation,
    ejector: Ejector,
    spectrometer: Option<Spectrometer>,
}

impl Story {
    async fn play(
        mut self,
        mut cultivation: Cultivation,
        stop: &CancellationToken,
        own_broker: bool,
    ) -> anyhow::Result<bool> {
        self.run(&mut cultivation, stop).await?;
        cultivation.end().await?;
        self.end(own_broker).await
    }

    async fn run(&mut self, cultivation: &mut Cultivation, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    self.out.said("You end the story early.")?;
                    // Whoever stops it should not have to wait for a broker that is away on purpose.
                    self.proxy.mend();
                    return Ok(());
                }
                Some(milestone) = cultivation.next() => self.happened(&milestone)?,
                Some(heard) = self.subscriber.heard() => {
                    self.heard(&heard)?;
                    self.act_on(&heard).await?;
                }
                _ = look.tick() => {
                    self.look_at_broker_and_actor()?;
                    self.look_at_robot()?;
                    if self.look_for_the_end()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The number of events in the journal.
    fn made(&self) -> Made {
        counted(&self.daemon.journal().devices())
    }

    fn waiting(&self) -> u64 {
        self.subscriber.scores().missing(&self.made())
    }

    /// Something happened at the BioLector.
    fn happened(&mut self, milestone: &Milestone) -> io::Result<()> {
        match milestone {
            Milestone::CycleWritten(BROKER_RETURNS..) if self.chapter.broker_gone => self.give_broker_back(),
            Milestone::CycleWritten(cycle) if self.chapter.broker_gone => self.out.said(&format!(
                "The BioLector has written cycle {cycle}; {} events wait in the journal.",
                self.waiting()
            )),
            Milestone::PauseBegan => {
                self.robot.plate_is_free();
                Ok(())
            }
            Milestone::Ended => {
                self.chapter.run_written = true;
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
        self.teller.take(heard).map_or(Ok(()), |text| self.out.said(&text))
    }

    /// Some readings are the cue for a misfortune, in the middle of a cycle when messages are under way.
    async fn act_on(&mut self, heard: &Heard) -> io::Result<()> {
        let data = &heard.data;
        if data["well"] != "A01" {
            return Ok(());
        }
        let (cycle, filterset) = (data["cycle"].as_u64(), data["filterset"].as_u64());
        if heard.device == stage::BIOLECTOR_XT {
            if cycle == Some(NETWORK_GOES) && filterset == Some(SECOND) && !self.chapter.network_went {
                self.chapter.network_went = true;
                self.live.lose_network();
                self.out.act("The BioLector XT's network is away for about a cycle. It goes on measuring, and its stream has no replay.")?;
            }
            return Ok(());
        }
        if filterset != Some(MIDDLE) {
            return Ok(());
        }
        match cycle {
            Some(BROKER_GOES) => {
                self.proxy.cut();
                self.chapter.broker_gone = true;
                self.out.act("The broker goes down: its connections are cut, new ones are refused. The instruments know nothing of it.")
            }
            Some(ACTOR_CRASHES) => {
                let restarts = self.daemon.board().device(&self.biolector).map_or(0, |state| state.restarts.0);
                self.chapter.crashed = Some((Instant::now(), restarts));
                self.out.act("The task that reads the BioLector is crashed on purpose, in the middle of its work.")?;
                self.daemon.crash(&self.biolector).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn look_at_broker_and_actor(&mut self) -> io::Result<()> {
        // At a great speed the run may be over before the broker went.
        if self.chapter.broker_gone && self.chapter.run_written {
            self.give_broker_back()?;
        }
        if let Some((since, until)) = &self.chapter.broker_back
            && self.subscriber.scores().missing(until) == 0
        {
            let seconds = since.elapsed().as_secs_f64();
            self.chapter.broker_back = None;
            self.out
                .said(&format!("Everything that waited has arrived, {seconds:.1} s after the broker came back."))?;
        }
        if let Some((since, before)) = self.chapter.crashed
            && let Some(state) = self.daemon.board().device(&self.biolector)
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
        Ok(())
    }

    /// Lets the robot do what is due, and tells of what it has done.
    fn look_at_robot(&mut self) -> anyhow::Result<()> {
        let rested = self.robot.is_resting();
        // The subscriber has everything of it that there is to have.
        if rested && self.teller.samplings >= self.robot.heard() {
            self.teller.samplings().map_or(Ok(()), |text| self.out.said(&text))?;
            self.teller.unexplained().map_or(Ok(()), |text| self.out.said(&text))?;
        }
        if let Some(errand) = self.robot.look()? {
            if errand.pulls_cable {
                self.out.act("The robot's cable is pulled in the middle of the next command, for some seconds of its time. It works on.")?;
            }
            let broker = if self.chapter.broker_gone { ", broker or no broker" } else { "" };
            self.out.act(&format!("The robot samples the paused plate{broker}: {}.", errand.in_words()))?;
        }
        if self.robot.is_resting() {
            let new = self.robot.sampled().get(self.chapter.sampled_told..).unwrap_or_default();
            let lost: Vec<&str> =
                new.iter().filter(|sampled| !sampled.heard).map(|sampled| sampled.from.as_str()).collect();
            if !lost.is_empty() {
                self.out.said(&format!(
                    "What the robot did without a cable nobody heard: that it took from {}. That is lost, and no event makes it up.",
                    lost.join(", ")
                ))?;
            }
            self.chapter.sampled_told = self.robot.sampled().len();
        }
        Ok(())
    }

    /// Begins the last act, and sees whether all is over.
    fn look_for_the_end(&mut self) -> anyhow::Result<bool> {
        if !self.chapter.run_written {
            return Ok(false);
        }
        if !self.robot.is_idle() {
            // It waits for a reader: without one it never ends.
            return self.is_late("The robot's line was not read in time; the count says what was.");
        }
        let Some(spectrometer) = &mut self.spectrometer else {
            let wells: Vec<String> = self.robot.sampled().iter().map(|sampled| sampled.to.clone()).collect();
            self.out.act(&format!(
                "The Echo ejects the {} samples into the ZenoTOF, one every three seconds of its time, and its gateway tells of each.",
                wells.len()
            ))?;
            self.chapter.waits = None;
            self.ejector.begin(self.pace, wells.iter().cloned())?;
            self.spectrometer = Some(Spectrometer::begin(&self.place, self.pace, wells.into_iter())?);
            return Ok(false);
        };
        if !(spectrometer.look() && self.ejector.is_resting()) {
            return Ok(false);
        }
        let shots = self.ejector.shots();
        let teller = &self.teller;
        let told = teller.run_completed
            && teller.live_run_completed
            && teller.live_readings >= self.live.readings()
            && teller.samplings >= self.robot.heard()
            && teller.acquisitions >= spectrometer.written
            && teller.ejections >= shots.ejected
            && teller.missed >= shots.missed
            && self.chapter.broker_back.is_none()
            && self.chapter.crashed.is_none();
        self.chapter.ended = told && self.waiting() == 0;
        if self.chapter.ended {
            return Ok(true);
        }
        self.is_late("Not everything has arrived in time; the count says what.")
    }

    /// Whether it was waited long enough for the same; says so then.
    fn is_late(&mut self, text: &str) -> anyhow::Result<bool> {
        let since = *self.chapter.waits.get_or_insert_with(Instant::now);
        self.chapter.fell_short = since.elapsed() > LAST_WORDS;
        if self.chapter.fell_short {
            self.out.said(text)?;
        }
        Ok(self.chapter.fell_short)
    }

    /// Stops the instruments and the daemon, and counts.
    async fn end(mut self, own_broker: bool) -> anyhow::Result<bool> {
        let written = match self.spectrometer.take() {
            None => 0,
            Some(mut spectrometer) => {
                spectrometer.look();
                let written = spectrometer.written;
                spectrometer.end().await?;
                written
            }
        };
        let shots = self.ejector.shots();
        self.ejector.end().await?;
        let sampled: Vec<Sampled> = self.robot.end().await?;
        let readings = self.live.readings();
        self.live.end().await?;
        hear_of_the_end(self.daemon.board()).await;
        let mut made = counted(&self.daemon.journal().devices());
        hear_out(&mut self.subscriber, &mut self.teller, &made).await;
        let journal = self.daemon.journal().clone();
        self.out.said("The daemon is stopped.")?;
        self.daemon.stop().await;
        made = counted(&journal.devices());
        hear_out(&mut self.subscriber, &mut self.teller, &made).await;
        self.teller.refinements().map_or(Ok(()), |text| self.out.said(&text))?;
        let account = Account {
            made,
            scores: self.subscriber.scores(),
            sampled: sampled.len(),
            sampled_heard: sampled.iter().filter(|sampled| sampled.heard).count(),
            samplings: self.teller.samplings,
            shots,
            ejections: self.teller.ejections,
            missed: self.teller.missed,
            written,
            acquisitions: self.teller.acquisitions,
            readings,
            measured: self.teller.live_readings,
        };
        self.out.plain(&format!("\n{account}"))?;
        if !own_broker {
            self.subscriber.forget(&stage::retained_topics()).await;
            self.subscriber.end().await;
        }
        // Whoever ends the story early ends the instruments in the middle of their work.
        let whole = account.agrees() || !self.chapter.ended;
        Ok(account.is_flawless() && whole && !self.chapter.fell_short)
    }
}

fn counted(devices: &[DeviceStatus]) -> Made {
    devices.iter().map(|kept| (kept.device.to_string(), kept.last_sequence)).collect()
}
