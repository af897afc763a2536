//! The server, and how it is controlled from outside.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use instrument_proto::biolector_xt::bio_lector_xt_remote_control_server::BioLectorXtRemoteControlServer;
use instrument_proto::biolector_xt::{CoverState, DESCRIPTORS};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;

use super::engine::{self, Instrument};
use super::garble::Garbling;
use super::line::Line;
use super::service::Service;
use super::settings::{Faults, Settings};
use super::truth::{Download, Made};
use super::world::{State, World};
use crate::Pace;
use crate::biolector::SettingsError;
use crate::biolector::record::Voice;
use crate::control::Counter;

/// Restarts that may be asked for and not yet done.
const RESTARTS: usize = 4;

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that fit no instrument.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The port.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Threads.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
}

/// A BioLector XT that serves its remote control, in threads of its own, until it is dropped.
#[derive(Debug)]
pub struct XtServer {
    address: SocketAddr,
    instrument: Arc<Instrument>,
    restarts: mpsc::Sender<Duration>,
    torn: Arc<std::sync::Mutex<CancellationToken>>,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl XtServer {
    /// Switches it on.
    ///
    /// # Errors
    /// [`StartError`] where the settings fit no instrument or nobody can listen there.
    pub fn start(settings: Settings) -> Result<XtServer, StartError> {
        settings.check()?;
        let listen = settings.listen;
        let instrument = Arc::new(Instrument::new(World::new(settings)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("biolector-xt")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let listening = |source| StartError::Listen { address: listen, source };
        let listener = std::net::TcpListener::bind(listen).map_err(listening)?;
        listener.set_nonblocking(true).map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let (restarts, asked) = mpsc::channel(RESTARTS);
        let end = CancellationToken::new();
        let torn = Arc::new(std::sync::Mutex::new(end.child_token()));
        let (theirs, their_end, their_torn) = (instrument.clone(), end.clone(), torn.clone());
        let (running, started) = std_mpsc::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let engine = tokio::spawn(engine::run(theirs.clone(), their_end.clone()));
                let served = TcpListener::from_std(listener);
                let _ = running.send(served.as_ref().err().map(ToString::to_string));
                if let Ok(listener) = served {
                    serve(theirs, listener, asked, their_torn, their_end).await;
                }
                let _ = engine.await;
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        if let Ok(Some(error)) = started.recv() {
            end.cancel();
            return Err(StartError::Runtime(io::Error::other(error)));
        }
        Ok(XtServer { address, instrument, restarts, torn, end, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts its first protocol; false when it is not idle.
    pub fn begin(&self) -> bool {
        use instrument_proto::biolector_xt::start_protocol_response::Result;
        self.instrument.ask(|world| {
            let first = world.protocols.first().map(|protocol| protocol.id.clone()).unwrap_or_default();
            world.start(&first) == Result::Success
        })
    }

    /// Stops the run: the running filter set is finished.
    pub fn stop_run(&self) {
        self.instrument.ask(|world| {
            let _ = world.stop();
        });
    }

    /// Pauses the run, as somebody at the instrument does.
    pub fn pause(&self, stop_shaker: bool) {
        self.instrument.ask(|world| world.pause(stop_shaker));
    }

    /// Goes on after a pause; false where there is none in effect.
    pub fn go_on(&self) -> bool {
        use instrument_proto::biolector_xt::continue_protocol_response::Result;
        self.instrument.ask(|world| world.resume() == Result::Success)
    }

    /// Opens or closes the cover; false where it stays closed because wells are measured.
    pub fn move_cover(&self, open: bool) -> bool {
        let to = if open { CoverState::CovOpen } else { CoverState::CovClosed };
        self.instrument.ask(|world| world.move_cover(to).is_ok())
    }

    /// A robot added something to a well (`C01`), or took something where the volume is negative; false where there is no such well.
    pub fn add_external(&self, well: &str, microlitres: f64) -> bool {
        let place = instrument_proto::biolector_xt::WellLabel::from_str_name(well).map(|label| label as usize);
        let place = place.filter(|place| *place < super::cultures::WELLS);
        place.is_some_and(|place| {
            self.instrument.ask(|world| world.add_external(place, microlitres));
            true
        })
    }

    /// Somebody types a comment at the instrument.
    pub fn comment(&self, text: &str) {
        self.instrument.ask(|world| world.say(Voice::User, text));
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.instrument.ask(|world| world.state())
    }

    /// The cycle that runs; 0 while none does.
    pub fn cycle(&self) -> u32 {
        self.instrument.ask(|world| world.run().map_or(0, |run| run.cycle))
    }

    /// Another pace from now on.
    pub fn set_pace(&self, pace: Pace) {
        self.instrument.set_pace(pace);
    }

    /// Throws switches while it runs.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        self.instrument.ask(|world| change(&mut world.settings.faults));
    }

    /// Ends all status streams with UNAVAILABLE; what is on its way is lost, connections stay.
    pub fn cut_streams(&self) {
        self.instrument.audience.cut();
    }

    /// Tears all connections.
    pub fn tear_connections(&self) {
        tear(&self.torn, &self.end);
    }

    /// Sends every client of the stream a message that cannot be decoded, with the next update.
    pub fn send_malformed(&self) {
        self.instrument.garble.once();
    }

    /// Takes the server away and brings it back after a time. The run goes on meanwhile. False where several restarts wait already.
    pub fn restart(&self, down: Duration) -> bool {
        self.restarts.try_send(down).is_ok()
    }

    /// Clients that listen to the status stream.
    pub fn listeners(&self) -> usize {
        self.instrument.audience.size()
    }

    /// Readings that were made and, where somebody listens, handed out.
    pub fn readings(&self) -> &Counter {
        &self.instrument.readings
    }

    /// Waits until so many runs are over; false when the patience ends before.
    pub fn wait_until_over(&self, runs: u64, patience: Duration) -> bool {
        self.instrument.over.wait_for(runs, patience)
    }

    /// Every reading that it made, in order, told or not.
    pub fn truth(&self) -> Vec<Made> {
        self.instrument.world().truth.clone()
    }

    /// Every request for an experiment's file, in order.
    pub fn downloads(&self) -> Vec<Download> {
        self.instrument.world().downloads.clone()
    }

    /// The zip of an experiment as it would be downloaded now; `None` where there is none.
    pub fn zip(&self, experiment: &str) -> Option<Vec<u8>> {
        let content = self.instrument.ask(|world| world.content(experiment).map(|(_, content)| content))?;
        content.zip().ok()
    }
}

impl Drop for XtServer {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic over there was told on its way.
            let _ = thread.join();
        }
    }
}

/// Tears what is connected; who connects later is not concerned.
fn tear(torn: &std::sync::Mutex<CancellationToken>, end: &CancellationToken) {
    let mut torn = torn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    torn.cancel();
    *torn = end.child_token();
}

/// Serves, and restarts when it is asked to, until the end.
async fn serve(
    instrument: Arc<Instrument>,
    listener: TcpListener,
    mut restarts: mpsc::Receiver<Duration>,
    torn: Arc<std::sync::Mutex<CancellationToken>>,
    end: CancellationToken,
) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    loop {
        let Some(open) = listener.take() else { return };
        let down = tokio::select! {
            () = serve_once(&instrument, open, &torn) => return,
            () = end.cancelled() => return,
            Some(down) = restarts.recv() => down,
            () = instrument.restart.notified() => {
                Duration::try_from_secs_f64(instrument.world().settings.faults.down_s).unwrap_or_default()
            }
        };
        instrument.audience.cut();
        tear(&torn, &end);
        tokio::select! {
            () = tokio::time::sleep(down) => {}
            () = end.cancelled() => return,
        }
        listener = rebind(address, &end).await;
    }
}

/// Listens again where it listened; somebody else may have the port for a moment.
async fn rebind(address: SocketAddr, end: &CancellationToken) -> Option<TcpListener> {
    loop {
        if let Ok(listener) = TcpListener::bind(address).await {
            return Some(listener);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
            () = end.cancelled() => return None,
        }
    }
}

async fn serve_once(
    instrument: &Arc<Instrument>,
    listener: TcpListener,
    torn: &Arc<std::sync::Mutex<CancellationToken>>,
) {
    let server = BioLectorXtRemoteControlServer::new(Service(instrument.clone()));
    let service = Garbling { inner: server, garble: instrument.garble.clone() };
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<BioLectorXtRemoteControlServer<Service>>().await;
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let mut routes = tonic::service::Routes::new(service).add_service(health_service);
    if let Ok(reflection) = described().build_v1() {
        routes = routes.add_service(reflection);
    }
    if let Ok(reflection) = described().build_v1alpha() {
        routes = routes.add_service(reflection);
    }
    let torn = torn.clone();
    let lines = TcpListenerStream::new(listener).map(move |stream| {
        let stream = stream?;
        // Small messages go out at once.
        let _ = stream.set_nodelay(true);
        let torn = torn.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Ok::<Line, io::Error>(Line::new(stream, torn))
    });
    let served = tonic::transport::Server::builder().add_routes(routes).serve_with_incoming(lines).await;
    if let Err(error) = served {
        eprintln!("the server stopped: {error}");
    }
}
