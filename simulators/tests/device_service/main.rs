//! The device service over a real line: who is let in, what is cut, and what a client then still gets.

mod admission;
mod session;

use std::time::Duration;

use instrument_proto::device::v1::device_service_client::DeviceServiceClient;
use instrumentd_simulators::Pace;
use instrumentd_simulators::device_service::{HostSettings, Limits};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Faults, Settings};
use tonic::transport::{Channel, Endpoint};

type Client = DeviceServiceClient<Channel>;

/// A small plate, at a pace that the test gives.
fn echo(host: HostSettings, limits: Limits, faults: Faults, pace: Pace) -> EchoMsPlus {
    let settings = Settings { missed: 0.1, start: jiff::Timestamp::now(), ..Settings::default() };
    EchoMsPlus::start(settings.plates(1, 384, 40, 2, 10), host, limits, faults, pace).expect("an Echo MS+")
}

fn endpoint(echo: &EchoMsPlus) -> Endpoint {
    let address = format!("http://{}", echo.address());
    Endpoint::from_shared(address).expect("an address").connect_timeout(Duration::from_secs(10))
}

async fn client(echo: &EchoMsPlus) -> Client {
    DeviceServiceClient::new(endpoint(echo).connect_lazy())
}
