//! Where the story plays: the devices and the daemon's configuration.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;

use super::proxy::Proxy;
use super::robot;
use crate::config::{self, Settings};

/// The site's id.
const SITE: &str = "demo";
/// Topics of everything the daemon publishes here begin so.
pub const ROOT: &str = "instrumentd/v1/demo";
/// The BioLector's id.
pub const BIOLECTOR: &str = "biolector";
/// The robot's id.
pub const ROBOLECTOR: &str = "robolector";
/// The ejector's id.
pub const ECHO: &str = "echo-ms";
/// The mass spectrometer's id.
pub const ZENOTOF: &str = "zenotof";
/// The id of the BioLector XT that is followed live.
pub const BIOLECTOR_XT: &str = "biolector-xt";
/// The devices, in the order of the story.
pub const DEVICES: [&str; 5] = [BIOLECTOR, BIOLECTOR_XT, ROBOLECTOR, ECHO, ZENOTOF];
/// Seconds of the instruments in one of ours, at the usual speed: eight hours of cultivation in a minute.
pub const USUAL_PACE: f64 = 480.0;

/// Where the BioLector writes its results.
pub const RESULTS: &str = "results";
/// Where the mass spectrometer writes its acquisitions.
pub const ACQUISITIONS: &str = "acquisitions";
/// Where the mass spectrometer's batches are.
pub const BATCHES: &str = "batches";
/// The robot's line.
pub const LINE: &str = "robot-line";

/// Topics with retained messages that the daemon leaves at a broker.
pub fn retained_topics() -> Vec<String> {
    let of_devices =
        DEVICES.iter().flat_map(|device| ["info", "state"].map(|what| format!("{ROOT}/devices/{device}/{what}")));
    std::iter::once(format!("{ROOT}/nodes/demo/state")).chain(of_devices).collect()
}

/// The configuration that the daemon gets, as a user would write it. Makes the instruments' folders.
///
/// Batches are looked for at each poll, and the one of the story comes just before its acquisition. The BioLector XT's time
/// runs so much faster than ours that it has to be asked more often than a real one.
pub fn settings(folder: &Path, proxy: &Proxy, xt: SocketAddr, gateway: SocketAddr) -> anyhow::Result<Settings> {
    for name in [RESULTS, ACQUISITIONS, BATCHES] {
        std::fs::create_dir(folder.join(name)).context("cannot make the instruments' folders")?;
    }
    let text = format!(
        r#"
[site]
id = "{SITE}"
node = "demo"

[journal]
path = "journal.db"

[brokers.main]
host = "{host}"
port = {port}

[devices.{BIOLECTOR}]
profile = "biolector-pro"
time_zone = "UTC"
files = {{ folder = "{RESULTS}", backfill = "all" }}

[devices.{BIOLECTOR_XT}]
profile = "biolector-xt"
time_zone = "UTC"
grpc = {{ endpoint = "grpc://{xt}", plaintext = true }}

[devices.{BIOLECTOR_XT}.overrides.live]
progress_every = "1s"
values_every = "2s"
experiments_every = "1s"
download_running_every = "5s"

[devices.{ROBOLECTOR}]
profile = "robolector"
time_zone = "UTC"
serial = {{ port = "{LINE}" }}

{deck}
[devices.{ECHO}]
profile = "echo-ms-plus"
time_zone = "UTC"
grpc = {{ endpoint = "grpc://{gateway}", plaintext = true }}

[devices.{ZENOTOF}]
profile = "zenotof-7600"
time_zone = "UTC"
files = {{ folder = "{ACQUISITIONS}", backfill = "all", poll_interval = "1s" }}
acquisitions = {{ batches = {{ folder = "{BATCHES}" }} }}
"#,
        host = proxy.address().ip(),
        port = proxy.address().port(),
        deck = robot::deck_tables(),
    );
    config::parse(&text, "the demonstration's configuration", folder)
        .map(|loaded| loaded.settings)
        .map_err(|problems| anyhow::anyhow!("{problems}"))
}
