//! Connecting again and again: back-off, standing by, looking whether another instance is still there.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Retained;
use super::backoff::Backoff;
use super::claim::Claims;
use super::connect::{PrepareError, Purpose, options};
use super::context::{Context, Memory};
use super::end::{End, refusal_text};
use super::opening::{Opened, Opening};
use super::session::Session;
use super::status::{Phase, Report};
use super::wire::Wire;

/// The first ceiling of the wait before the next connection; the settings say the last.
const RECONNECT: Duration = Duration::from_millis(500);
/// Before a publisher that failed is started again.
const AFTER_FAILURE: Duration = Duration::from_secs(3);
/// Before the journal is read again after it could not be.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// A connection that lasted this long, or settled a row, was healthy: the waits start over.
const HEALTHY: Duration = Duration::from_secs(10);
/// A broker that cannot be used, or where another instance publishes, is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// So many connections in a row, each closed by the broker without a word within [`SHORT`] and after less than
/// [`FEW`] settled rows though it still knew the session, mean that another client uses our client identifier: some
/// brokers do not say so. (Another daemon with our node name is found at once, by the node's state.)
const SUSPICIOUS: u32 = 4;
const SHORT: Duration = Duration::from_secs(5);
const FEW: u64 = 50;

/// Aborts a task when its supervisor is dropped.
struct Abort(tokio::task::AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a publisher until it is told to stop. One that panics is started again with what the journal knows.
pub async fn supervise(context: Context) {
    let context = Arc::new(context);
    loop {
        let publisher = tokio::spawn(run(Arc::clone(&context)));
        let guard = Abort(publisher.abort_handle());
        let ended = publisher.await;
        drop(guard);
        match ended {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(broker = %context.settings.name, %error, "A publisher failed; it is started again.")
            }
        }
        if pause(&context.stop, AFTER_FAILURE).await {
            return;
        }
    }
}

/// Waits; true when the daemon stops meanwhile.
async fn pause(stop: &CancellationToken, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.cancelled()).await.is_ok()
}

async fn run(context: Arc<Context>) {
    let address = format!("{}:{}", context.settings.host, context.settings.port);
    let report = Report::new(Arc::clone(&context.settings.name), address, Arc::clone(&context.standing));
    let backoff = Backoff::new(RECONNECT, context.settings.reconnect_within);
    let mut publisher = Publisher {
        context: &context,
        memory: Memory::default(),
        report,
        backoff,
        retain: true,
        standing_by: false,
        session_present: false,
        suspicions: 0,
        said: None,
    };
    publisher.report.tell();
    loop {
        let wait = match publisher.load_positions().await {
            Ok(()) if publisher.standing_by => publisher.look().await,
            Ok(()) => publisher.connect().await,
            Err(wait) => wait,
        };
        publisher.report.tell();
        if context.stop.is_cancelled() || pause(&context.stop, wait).await {
            break;
        }
    }
    publisher.report.status.enter(Phase::Stopped);
    publisher.report.tell();
}

struct Publisher<'a> {
    context: &'a Arc<Context>,
    memory: Memory,
    report: Report,
    backoff: Backoff,
    /// Whether the broker keeps retained messages; assumed until it refuses a retained will.
    retain: bool,
    standing_by: bool,
    /// Whether the broker still knew the session at the last connection.
    session_present: bool,
    suspicions: u32,
    /// What the log said last about the connection; nothing while there is one.
    said: Option<String>,
}

impl Publisher<'_> {
    /// Reads the positions once; a later connection goes on from where the one before came.
    async fn load_positions(&mut self) -> Result<(), Duration> {
        if !self.memory.settled.is_empty() {
            return Ok(());
        }
        let (outbox, broker) = (Arc::clone(&self.context.outbox), Arc::clone(&self.context.settings.name));
        let read = tokio::task::spawn_blocking(move || outbox.positions(&broker)).await;
        match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(positions) => {
                self.memory.settled = positions;
                Ok(())
            }
            Err(error) => {
                let text = format!("the journal cannot be read: {error}");
                self.report.status.fail(text, "check the journal's disk; reading is tried again");
                Err(READ_AGAIN)
            }
        }
    }

    async fn prepare(&self, purpose: Purpose) -> Result<MqttOptions, PrepareError> {
        let context = Arc::clone(self.context);
        let read = move || {
            let will: Retained = context.standing.will();
            options(&context.settings, &context.prefix, Some(&will), purpose)
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(PrepareError::Panicked(error.to_string())))
    }

    /// One connection from beginning to end; the wait before the next.
    async fn connect(&mut self) -> Duration {
        let settled_before = self.report.status.settled;
        let started = Instant::now();
        let prepared = match self.prepare(Purpose::Publish { retain: self.retain }).await {
            Ok(prepared) => prepared,
            Err(error) => return self.not_prepared(&error),
        };
        let end = match self.open(&prepared).await {
            Ok((wire, opened)) => {
                tracing::info!(
                    broker = %self.context.settings.name,
                    address = %self.report.status.address,
                    window = opened.limits.window,
                    "Connected to the broker."
                );
                if !opened.refused.is_empty() {
                    let text = format!("the broker refused subscriptions: {}", opened.refused.join(", "));
                    self.report.status.fail(text, "let this client read these topics in the broker's access list");
                }
                self.said = None;
                self.report.status.enter(Phase::Connected);
                self.report.tell();
                let session = Session::new(self.context, &mut self.memory, &mut self.report, wire, opened);
                session.run().await
            }
            Err(end) => end,
        };
        let few = self.report.status.settled - settled_before < FEW;
        self.suspicions = match end {
            End::Lost { closed: true, .. } if self.session_present && few && started.elapsed() < SHORT => {
                self.suspicions + 1
            }
            _ => 0,
        };
        if started.elapsed() >= HEALTHY || self.report.status.settled > settled_before {
            self.backoff.reset();
        }
        self.ended(end)
    }

    async fn open(&mut self, options: &MqttOptions) -> Result<(Wire, Opened), End> {
        let devices = self.own_devices();
        let stop = self.context.stop.clone();
        self.session_present = false;
        let session_present = &mut self.session_present;
        let opening = async {
            let mut opening = Opening::begin(self.context, options).await?;
            *session_present = opening.opened().session_present;
            opening.ask_for_claims(&devices).await?;
            match rival(self.context, &opening.opened().claims) {
                Some(rival) => {
                    opening.abandon().await;
                    Err(End::Doubt(rival))
                }
                None => opening.finish().await,
            }
        };
        tokio::select! {
            opened = opening => match opened {
                Err(End::Doubt(rival)) => {
                    self.stand_by(rival);
                    Err(End::Doubt(String::new()))
                }
                other => other,
            },
            () = stop.cancelled() => Err(End::Stopped),
        }
    }

    /// The devices that we publish for and those that the operator retired.
    fn own_devices(&self) -> Vec<String> {
        let of_info = |topic: &str| topic.strip_prefix("devices/")?.strip_suffix("/info").map(str::to_owned);
        let mut devices: Vec<String> =
            self.context.standing.topics().iter().filter_map(|topic| of_info(&topic.topic)).collect();
        let retired = self.context.outbox.devices().into_iter().filter(|device| device.retired);
        devices.extend(retired.map(|device| device.device.as_str().to_owned()));
        devices.sort();
        devices.dedup();
        devices
    }

    /// Looks, without disturbing anybody, whether the other instance is still there.
    async fn look(&mut self) -> Duration {
        let prepared = match self.prepare(Purpose::Look).await {
            Ok(prepared) => prepared,
            Err(error) => return self.not_prepared(&error),
        };
        let devices = self.own_devices();
        let stop = self.context.stop.clone();
        let looked = async {
            let mut opening = Opening::begin(self.context, &prepared).await?;
            opening.ask_for_claims(&devices).await?;
            Ok::<_, End>(opening.abandon().await)
        };
        let looked = tokio::select! {
            looked = looked => looked,
            () = stop.cancelled() => return Duration::ZERO,
        };
        match looked {
            Ok(opened) => match rival(self.context, &opened.claims) {
                Some(rival) => self.stand_by(rival),
                None => {
                    self.standing_by = false;
                    Duration::ZERO
                }
            },
            // Not allowed to look: then the only way to find out is to try.
            Err(End::Refused(_)) => {
                self.standing_by = false;
                Duration::ZERO
            }
            Err(_) => LOOK_AGAIN,
        }
    }

    fn stand_by(&mut self, rival: String) -> Duration {
        let name = &self.context.settings.name;
        tracing::warn!(broker = %name, %rival, "Another instance publishes; events are recorded only.");
        self.standing_by = true;
        let status = &mut self.report.status;
        status.enter(Phase::StandingBy);
        status.fail(
            format!("{rival}; this daemon records and does not publish"),
            "stop one of the two, or give it other devices and another node name",
        );
        status.other_instance = Some(rival);
        LOOK_AGAIN
    }

    fn not_prepared(&mut self, error: &PrepareError) -> Duration {
        if self.is_news(&error.to_string()) {
            let remedy = error.remedy();
            tracing::error!(broker = %self.context.settings.name, %error, %remedy, "The connection to the broker cannot be prepared; it is tried again.");
        }
        self.report.status.enter(Phase::Refused);
        self.report.status.fail(error.to_string(), error.remedy());
        self.wait()
    }

    /// Whether this is not what the log said last about the connection: an outage of a night is one line of it.
    fn is_news(&mut self, text: &str) -> bool {
        let news = self.said.as_deref() != Some(text);
        self.said = Some(text.to_owned());
        news
    }

    fn wait(&mut self) -> Duration {
        self.backoff.next(fastrand::f64())
    }

    /// Notes why a connection ended; the wait before the next.
    fn ended(&mut self, end: End) -> Duration {
        let name = Arc::clone(&self.context.settings.name);
        let client_id = &self.context.settings.client_id;
        let taken_over = format!("another client uses the client identifier `{client_id}`");
        let (phase, text, remedy) = match end {
            End::Stopped => return Duration::ZERO,
            End::TakenOver => return self.stand_by(taken_over),
            End::Lost { .. } if self.suspicions >= SUSPICIOUS => {
                self.suspicions = 0;
                return self.stand_by(format!("{taken_over}, as it seems: the broker closes each connection at once"));
            }
            End::Doubt(_) if self.standing_by => return LOOK_AGAIN,
            // Look again at once; what is found then decides.
            End::Doubt(text) => {
                tracing::warn!(broker = %name, reason = %text, "Another daemon may be publishing; looking again.");
                self.report.status.enter(Phase::Connecting);
                return RECONNECT;
            }
            End::Unusable(unusable) => {
                self.report.status.enter(Phase::Refused);
                self.report.status.fail(unusable.to_string(), unusable.remedy());
                tracing::error!(broker = %name, error = %unusable, "The broker cannot be used; events wait in the journal.");
                return LOOK_AGAIN;
            }
            End::Refused(code) => {
                if code == ConnectReturnCode::RetainNotSupported {
                    self.retain = false;
                }
                let (text, remedy) = refusal_text(code);
                (Phase::Refused, text, remedy)
            }
            End::Stalled => {
                let stall = self.context.settings.stall.as_secs();
                let text = format!("no acknowledgement for {stall} s; connecting again");
                (Phase::Connecting, text, "see whether the broker is overloaded or its disk is full")
            }
            End::Unanswered(bytes) => {
                let text =
                    format!("the broker closed the connection instead of answering its CONNECT of {bytes} bytes");
                let remedy = "see the broker's log: it may take no packet as large as that, no MQTT 5, or expect TLS at this port";
                (Phase::Connecting, text, remedy)
            }
            End::Lost { text, .. } => (Phase::Connecting, text, "check that the broker runs and can be reached"),
        };
        let wait = self.wait();
        if self.is_news(&text) {
            tracing::warn!(broker = %name, reason = %text, remedy, "Not connected to the broker; events wait in the journal and it is tried again.");
        } else {
            tracing::debug!(broker = %name, reason = %text, wait_ms = wait.as_millis(), "Still not connected to the broker.");
        }
        self.report.status.enter(phase);
        self.report.status.fail(text, remedy);
        wait
    }
}

/// Who else publishes, in words.
fn rival(context: &Context, claims: &Claims) -> Option<String> {
    if let Some((device, node)) = claims.rival(&context.node) {
        return Some(format!("node `{node}` publishes for device `{device}`"));
    }
    let state = claims.own_state(&context.node)?;
    let newer = context.is_newer_than_us(state);
    newer.then(|| format!("another daemon publishes as node `{}`", context.node))
}
