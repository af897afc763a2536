//! Keeps the instrument's time going and hands out what happens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{CommentKind, CommentStatus};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::audience::Audience;
use super::garble::Garble;
use super::settings::{Begin, Faults};
use super::world::World;
use crate::Pace;
use crate::control::Counter;

/// What server, engine and whoever controls them share.
#[derive(Debug)]
pub(super) struct Instrument {
    world: Mutex<World>,
    clock: Mutex<Clock>,
    pub audience: Audience,
    pub garble: Garble,
    /// Something was asked for, so that the engine looks again.
    pub asked: Notify,
    /// The server is to be restarted.
    pub restart: Notify,
    pub readings: Counter,
    pub over: Counter,
}

/// The instrument's time, as a function of ours.
#[derive(Debug)]
struct Clock {
    pace: Pace,
    at: Instant,
    then: f64,
}

impl Clock {
    fn now(&self) -> f64 {
        let times = if let Pace::Times(times) = self.pace { times } else { 1.0 };
        self.then + self.at.elapsed().as_secs_f64() * times
    }

    fn set(&mut self, now: f64) {
        (self.at, self.then) = (Instant::now(), now);
    }

    /// How long it is until then.
    fn until(&self, due: f64) -> Duration {
        let times = if let Pace::Times(times) = self.pace { times } else { 1.0 };
        Duration::try_from_secs_f64((due - self.now()).max(0.0) / times).unwrap_or(Duration::from_secs(3600))
    }
}

impl Instrument {
    pub fn new(world: World) -> Instrument {
        let settings = &world.settings;
        let clock = Clock { pace: settings.pace, at: Instant::now(), then: 0.0 };
        Instrument {
            audience: Audience::new(settings.queue, settings.slow_client),
            garble: Garble::default(),
            asked: Notify::new(),
            restart: Notify::new(),
            readings: Counter::default(),
            over: Counter::default(),
            clock: Mutex::new(clock),
            world: Mutex::new(world),
        }
    }

    /// The world is whole whenever nobody holds it.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks something of the instrument, at its present time.
    pub fn ask<T>(&self, question: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let now = self.clock().now();
        if world.due() > now {
            world.advance(now);
        }
        let answer = question(&mut world);
        drop(world);
        self.asked.notify_one();
        answer
    }

    /// Another pace from now on.
    pub fn set_pace(&self, pace: Pace) {
        let mut clock = self.clock();
        let now = clock.now();
        clock.set(now);
        clock.pace = pace;
        drop(clock);
        self.asked.notify_one();
    }
}

/// Bytes of an oversized comment: twice what a gRPC client takes by default.
const OVERSIZED: usize = 8 << 20;

/// What goes wrong with the stream by itself.
struct Mishaps {
    noise: fastrand::Rng,
    told: u64,
}

impl Mishaps {
    /// Whether it happens now, once in so many times on average.
    fn strikes(&mut self, every: Option<u32>) -> bool {
        every.is_some_and(|every| self.noise.u32(0..every.max(1)) == 0)
    }

    fn is_turn(&self, every: Option<u32>) -> bool {
        every.is_some_and(|every| every > 0 && self.told.is_multiple_of(u64::from(every)))
    }
}

/// Runs until it is told to end.
pub(super) async fn run(instrument: Arc<Instrument>, end: CancellationToken) {
    let seed = instrument.world().settings.run.seed;
    let mut mishaps = Mishaps { noise: fastrand::Rng::with_seed(seed ^ 0xC07), told: 0 };
    while !end.is_cancelled() {
        let Step { updates, wait, faults } = step(&instrument);
        let before = instrument.clock().now();
        let mut waited = false;
        for update in updates {
            waited |= tell(&instrument, update, &faults, &mut mishaps, &end).await;
        }
        if waited {
            // While a slow client was waited for the instrument's time stood still.
            instrument.clock().set(before);
        }
        let over = instrument.world().over;
        instrument.over.add(over - instrument.over.get());
        if wait.is_zero() {
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = instrument.asked.notified() => {}
            () = end.cancelled() => {}
        }
    }
}

/// What one step of the instrument led to.
struct Step {
    updates: Vec<Update>,
    /// How long until the next one.
    wait: Duration,
    faults: Faults,
}

/// Lets time go on.
fn step(instrument: &Instrument) -> Step {
    let mut world = instrument.world();
    let mut clock = instrument.clock();
    let begin = match world.settings.begin {
        Begin::WhenAsked => false,
        Begin::AtOnce => true,
        Begin::WithFirstClient => instrument.audience.size() > 0,
    };
    if begin {
        world.settings.begin = Begin::WhenAsked;
        let first = world.protocols.first().map(|protocol| protocol.id.clone()).unwrap_or_default();
        world.start(&first);
    }
    let hurry = clock.pace == Pace::Max && world.is_working();
    if hurry {
        let due = world.due();
        if due > clock.now() {
            clock.set(due);
        }
    }
    let now = clock.now();
    let done = world.advance(now);
    let updates: Vec<Update> = world.outbox.drain(..).collect();
    let hurry = clock.pace == Pace::Max && world.is_working();
    let wait = if hurry || !done { Duration::ZERO } else { clock.until(world.due()) };
    Step { updates, wait, faults: world.settings.faults.clone() }
}

/// Hands out one update; whether somebody had to be waited for.
async fn tell(
    instrument: &Instrument,
    update: Update,
    faults: &Faults,
    mishaps: &mut Mishaps,
    end: &CancellationToken,
) -> bool {
    let is_reading = matches!(update, Update::MeasurementStatus(_));
    let mut waited = false;
    if !faults.silent_stream {
        tokio::select! {
            slow = instrument.audience.tell(update) => waited = slow,
            () = end.cancelled() => return false,
        }
        mishaps.told += 1;
        if mishaps.is_turn(faults.oversized_every) {
            let (kind, text) = (CommentKind::CommentService as i32, "x".repeat(OVERSIZED));
            tokio::select! {
                slow = instrument.audience.tell(Update::CommentStatus(CommentStatus { kind, text })) => waited |= slow,
                () = end.cancelled() => return false,
            }
        }
        if mishaps.is_turn(faults.malformed_every) {
            instrument.garble.once();
        }
        if mishaps.strikes(faults.cut_every) {
            instrument.audience.cut();
        }
        if mishaps.strikes(faults.restart_every) {
            instrument.restart.notify_one();
        }
    }
    if is_reading {
        instrument.readings.add(1);
    }
    waited
}
