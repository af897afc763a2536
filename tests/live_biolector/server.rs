//! A BioLector XT's remote interface as far as this test needs it: it measures a run that is known beforehand, says so on
//! its stream, and answers what is asked. All other methods refuse.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use instrument_proto::biolector_xt as wire;
use instrumentd_simulators::biolector::{BiolectorRun, Change, Model, Reading, Settings};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use wire::bio_lector_xt_remote_control_server::{BioLectorXtRemoteControl, BioLectorXtRemoteControlServer};
use wire::status_update_stream_response::Update;

/// What the instrument is, whatever happens to its server.
pub struct Instrument {
    /// Everything that it will measure, in order.
    pub readings: Vec<Reading>,
    /// The names of its channels.
    pub channels: Vec<String>,
    /// The experiment's id, without braces.
    pub experiment: String,
    /// The experiment's file, whole.
    pub zip: Vec<u8>,
    start: i64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    made: usize,
    finished: bool,
    /// Nobody is told how far the run is.
    keeps_progress: bool,
    /// Nobody gets a file, of a finished run neither.
    keeps_file: bool,
    listeners: Vec<mpsc::Sender<Result<wire::StatusUpdateStreamResponse, Status>>>,
}

impl Instrument {
    pub fn new(cycles: u32) -> Self {
        let settings = Settings { model: Model::Xt, cycles, filtersets: 3, cycle_seconds: 420, ..Settings::default() };
        let start = settings.offset.to_timestamp(settings.start).expect("a time").as_second();
        let channels = settings.channels().into_iter().map(|channel| channel.name.to_owned()).collect();
        let (mut readings, mut zip, mut meta) = (Vec::new(), Vec::new(), Vec::new());
        for step in BiolectorRun::new(settings).expect("settings of an instrument") {
            readings.extend(step.readings);
            match step.change {
                Change::Replace { file, bytes } if file.ends_with(".zip") => zip = bytes,
                Change::Replace { file, bytes } | Change::Append { file, bytes } if file.ends_with(".meta") => {
                    meta = bytes
                }
                _ => {}
            }
        }
        let meta: serde_json::Value = serde_json::from_slice(&meta).expect("the meta is json");
        let experiment = meta["Id"].as_str().expect("an id").to_owned();
        Self { readings, channels, experiment, zip, start, state: Mutex::default() }
    }

    /// Measures once more and says so; false when the run is over.
    pub async fn measure(&self) -> bool {
        let (listeners, at) = {
            let mut state = self.state.lock().expect("unpoisoned");
            state.listeners.retain(|listener| !listener.is_closed());
            if state.made == self.readings.len() {
                state.finished = true;
                return false;
            }
            state.made += 1;
            (state.listeners.clone(), state.made - 1)
        };
        let reading = &self.readings[at];
        let status = wire::MeasurementStatus {
            cultivation: well(&reading.well),
            channel_index: reading.filterset,
            channel_name: self.channels[reading.filterset as usize - 1].clone(),
            value: value(reading),
            experiment_duration: u64::from(reading.time),
            timestamp: Some(self.moment(reading)),
        };
        let item = wire::StatusUpdateStreamResponse { update: Some(Update::MeasurementStatus(status)) };
        for listener in listeners {
            let _ = listener.send(Ok(item.clone())).await;
        }
        true
    }

    /// Says a comment on the stream.
    pub async fn comment(&self, text: &str) {
        let listeners = self.state.lock().expect("unpoisoned").listeners.clone();
        let status = wire::CommentStatus { kind: 2, text: text.to_owned() };
        let item = wire::StatusUpdateStreamResponse { update: Some(Update::CommentStatus(status)) };
        for listener in listeners {
            let _ = listener.send(Ok(item.clone())).await;
        }
    }

    /// Whether it keeps to itself how far the run is.
    pub fn keep_progress(&self, keeps: bool) {
        self.state.lock().expect("unpoisoned").keeps_progress = keeps;
    }

    /// Gives no file from now on.
    pub fn keep_file(&self) {
        self.state.lock().expect("unpoisoned").keeps_file = true;
    }

    /// Cuts every stream, as a lost line does.
    pub fn cut(&self) {
        self.state.lock().expect("unpoisoned").listeners.clear();
    }

    /// How many follow the stream.
    pub fn listeners(&self) -> usize {
        let mut state = self.state.lock().expect("unpoisoned");
        state.listeners.retain(|listener| !listener.is_closed());
        state.listeners.len()
    }

    fn moment(&self, reading: &Reading) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds: self.start + i64::from(reading.time), nanos: 300_000_000 }
    }
}

fn well(label: &str) -> i32 {
    wire::WellLabel::from_str_name(label).expect("a well") as i32
}

fn value(reading: &Reading) -> f32 {
    reading.calibrated.or(reading.referenced).map_or(f32::NAN, |value| value as f32)
}

/// Serves the instrument until it is aborted.
pub async fn serve(instrument: Arc<Instrument>, address: SocketAddr) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            // The one before it has not let go yet.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let address = listener.local_addr().expect("an address");
    let service = BioLectorXtRemoteControlServer::new(Service(instrument));
    let serving = tokio::spawn(async move {
        let incoming = TcpListenerStream::new(listener).map(|stream| stream.inspect(|s| drop(s.set_nodelay(true))));
        let _ = tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await;
    });
    (address, serving)
}

struct Service(Arc<Instrument>);

type Chunks = Pin<Box<dyn Stream<Item = Result<wire::FileChunk, Status>> + Send>>;

macro_rules! refused {
    ($($name:ident($request:ty) -> $response:ty;)*) => {
        $(fn $name<'a, 'async_trait>(
            &'a self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<$response>, Status>> + Send + 'async_trait>>
        where
            'a: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented(concat!("nothing may call ", stringify!($name)))) })
        })*
    };
}

#[tonic::async_trait]
impl BioLectorXtRemoteControl for Service {
    type DownloadProtocolStream = Chunks;
    type DownloadExperimentStream = Chunks;
    type StatusUpdateStreamStream = ReceiverStream<Result<wire::StatusUpdateStreamResponse, Status>>;

    async fn get_protocols(&self, _: Request<()>) -> Result<Response<wire::GetProtocolsResponse>, Status> {
        Ok(Response::new(wire::GetProtocolsResponse::default()))
    }

    async fn get_experiment_list(&self, _: Request<()>) -> Result<Response<wire::GetExperimentListResponse>, Status> {
        let start = jiff::Timestamp::from_second(self.0.start).expect("a time");
        let experiment = wire::ExperimentInfo {
            experiment_id: format!("{{{}}}", self.0.experiment.to_uppercase()),
            start_time: start.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(2))).strftime("%FT%T%:z").to_string(),
            finished: self.0.state.lock().expect("unpoisoned").finished,
            ..Default::default()
        };
        Ok(Response::new(wire::GetExperimentListResponse { experiments: vec![experiment] }))
    }

    async fn download_experiment(&self, request: Request<String>) -> Result<Response<Chunks>, Status> {
        assert_eq!(request.into_inner(), format!("{{{}}}", self.0.experiment.to_uppercase()), "as it was written");
        {
            let state = self.0.state.lock().expect("unpoisoned");
            if !state.finished || state.keeps_file {
                return Err(Status::failed_precondition("the experiment is running, or nobody may have its file"));
            }
        }
        let name = wire::file_chunk::Content::Metadata(wire::MetaData { filename: "run.zip".to_owned() });
        let bytes = self.0.zip.chunks(50_000).map(|chunk| wire::file_chunk::Content::ChunkData(chunk.to_vec()));
        let chunks: Vec<_> =
            std::iter::once(name).chain(bytes).map(|content| Ok(wire::FileChunk { content: Some(content) })).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn get_current_progress(&self, _: Request<()>) -> Result<Response<wire::GetCurrentProgressResponse>, Status> {
        let (made, is_kept) = {
            let state = self.0.state.lock().expect("unpoisoned");
            (state.made, state.keeps_progress)
        };
        if is_kept {
            return Err(Status::internal("not now"));
        }
        let last = made.checked_sub(1).and_then(|at| self.0.readings.get(at));
        let cycle = last.map_or(1, |reading| u64::from(reading.cycle));
        Ok(Response::new(wire::GetCurrentProgressResponse { cycle, ..Default::default() }))
    }

    async fn get_cultivation_values(
        &self,
        _: Request<()>,
    ) -> Result<Response<wire::GetCultivationValuesResponse>, Status> {
        let made = self.0.state.lock().expect("unpoisoned").made;
        let mut last = std::collections::BTreeMap::new();
        for reading in &self.0.readings[..made] {
            last.insert((well(&reading.well), reading.filterset), reading);
        }
        let item = |label: i32| wire::CultivationValuesItem {
            label,
            values: (1u32..)
                .zip(&self.0.channels)
                .map(|(index, name)| wire::cultivation_values_item::Value {
                    index,
                    name: name.clone(),
                    value: last.get(&(label, index)).map_or(0.0, |reading| value(reading)),
                    timestamp: last.get(&(label, index)).map(|reading| self.0.moment(reading)),
                })
                .collect(),
            ..Default::default()
        };
        let cultivations = (0..48).map(item).collect();
        Ok(Response::new(wire::GetCultivationValuesResponse { cultivations }))
    }

    async fn get_cover_state(&self, _: Request<()>) -> Result<Response<wire::GetCoverStateResponse>, Status> {
        Ok(Response::new(wire::GetCoverStateResponse { cover_state: wire::CoverState::CovClosed as i32 }))
    }

    async fn status_update_stream(&self, _: Request<()>) -> Result<Response<Self::StatusUpdateStreamStream>, Status> {
        let (sender, receiver) = mpsc::channel(16);
        self.0.state.lock().expect("unpoisoned").listeners.push(sender);
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    refused! {
        upload_protocol(Streaming<wire::FileChunk>) -> wire::StdResponse;
        download_protocol(String) -> Chunks;
        delete_protocol(String) -> wire::StdResponse;
        delete_experiment(String) -> wire::StdResponse;
        update_live_experiment(String) -> wire::UpdateRunningExperimentResponse;
        start_protocol(String) -> wire::StartProtocolResponse;
        stop_protocol(()) -> wire::StopProtocolResponse;
        pause_protocol(bool) -> ();
        continue_protocol(()) -> wire::ContinueProtocolResponse;
        get_temperature_control_status(()) -> wire::GetTemperatureControlStatusResponse;
        set_temperature_setpoint(f32) -> ();
        set_temperature_control_enabled(bool) -> ();
        get_shaker_control_status(()) -> wire::GetShakerControlStatusResponse;
        set_shaker_setpoint(u32) -> ();
        set_shaker_enabled(bool) -> ();
        open_cover(()) -> ();
        close_cover(()) -> ();
        get_actual_gassing_mode(()) -> wire::GetActualGassingModeResponse;
        get_gassing_flowrate(()) -> f32;
        set_gassing_flowrate(f32) -> ();
        get_target_gas_percentage(wire::GetGasPercentageRequest) -> f32;
        get_actual_gas_percentage(wire::GetGasPercentageRequest) -> f32;
        set_target_gass_percentage(wire::SetTargetGasPercentageRequest) -> ();
        get_humidity_control_state(()) -> bool;
        set_humidity_control_state(bool) -> ();
        get_ph_control_status(()) -> wire::GetPhControlStatusResponse;
        set_target_ph(wire::SetTargetPhRequest) -> ();
        set_ph_control_state(wire::SetPhControlStateRequest) -> ();
        set_ph_control_params(wire::SetPhControlParamsRequest) -> ();
        start_feed(wire::FeedRequest) -> ();
        stop_feed(wire::FeedRequest) -> ();
        set_feed_control_params(wire::SetFeedControlParamsRequest) -> ();
        run_feed_pulse(wire::RunFeedPulseRequest) -> ();
        add_comment(String) -> ();
        set_lam_work_mode(wire::SetLamWorkModeRequest) -> ();
        set_lam_frequency(f32) -> ();
        set_lam_relative_powers(wire::SetLamRelativePowersRequest) -> ();
        get_lam_status(()) -> wire::GetLamStatusResponse;
    }
}
