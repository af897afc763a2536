//! From a reading at a BioLector XT's server to receipt at 100 readings a second, against a bare pipeline that follows a server of the
//! same kind in the same run.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use instrument_proto::biolector_xt::client::BioLectorXtRemoteControlClient;
use prost::Message as _;
use tonic::transport::Endpoint;

use crate::bare;
use crate::latency::{arrivals, compare, in_turns, paced};
use crate::place::{Broker, Daemon, subscribe, wait_online};
use crate::server::{Instrument, serve};

/// The daemon and the bare pipeline take so many turns each …
const TURNS: usize = 15;
/// … of so many readings.
const READINGS: usize = 100;
const EVERY: Duration = Duration::from_millis(10);
/// Readings of a cycle: 48 wells, three filter sets.
const CYCLE: usize = 144;

pub fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let cycles = u32::try_from(TURNS * READINGS / CYCLE + 4).unwrap_or(u32::MAX);
    let instrument = || {
        let instrument = Arc::new(Instrument::new(cycles));
        let (address, _) = runtime.block_on(serve(Arc::clone(&instrument), (Ipv4Addr::LOCALHOST, 0).into()));
        (instrument, address)
    };
    let make = |instrument: &Instrument, readings: usize| {
        paced(EVERY, 0..readings, |_| assert!(runtime.block_on(instrument.measure()), "the run is long enough"))
    };

    // The bare pipeline: every message is one row.
    let (passed_on, address) = instrument();
    let to_bare = subscribe(broker.port, "bare/events");
    let port = broker.port;
    std::thread::spawn(move || bare::pipeline(port, |row| follow(address, row)));
    while passed_on.listeners() == 0 {
        std::thread::yield_now();
    }
    while to_bare.recv_timeout(Duration::from_millis(300)).is_err() {
        make(&passed_on, 1);
    }

    // The daemon, into the run's second cycle: from then on it knows what it hears.
    let (instrument, address) = instrument();
    let to_daemon = subscribe(broker.port, "instrumentd/v1/#");
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let table = format!(
        "[devices.xt]\nprofile = \"biolector-xt\"\ntime_zone = \"Europe/Berlin\"\n\
         grpc = {{ endpoint = \"grpc://{address}\", plaintext = true }}\n"
    );
    let _daemon = Daemon::with(broker.port, folder, &table);
    wait_online(&to_daemon, 1);
    while instrument.listeners() == 0 {
        std::thread::yield_now();
    }
    make(&instrument, CYCLE + CYCLE / 2);
    while to_daemon.recv_timeout(Duration::from_secs(2)).is_ok() {}

    let (mut ours, mut bare) = in_turns(
        0..TURNS,
        |_| arrivals(&make(&instrument, READINGS), &to_daemon, |it| it.topic.ends_with("cultivation/measured")),
        |_| arrivals(&make(&passed_on, READINGS), &to_bare, |_| true),
    );
    compare("reading", &mut ours, &mut bare);
}

/// What the server says, message after message, until it is gone.
fn follow(address: SocketAddr, row: &dyn Fn(Vec<u8>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect().await.expect("the server is there");
        let stream = BioLectorXtRemoteControlClient::new(channel).status_update_stream(()).await;
        let mut stream = stream.expect("a stream").into_inner();
        while let Ok(Some(update)) = stream.message().await {
            row(update.encode_to_vec());
        }
    });
}
