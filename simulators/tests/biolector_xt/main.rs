//! The BioLector XT's server from outside: its methods, what it streams, what it stores, and what can go wrong.

mod client;
mod faults;
mod methods;
mod world;

use instrumentd_simulators::biolector_xt::{Settings, XtServer};

/// A short run that nobody has started.
fn small() -> Settings {
    let mut settings = Settings::default();
    (settings.run.cycles, settings.run.wells, settings.run.filtersets) = (3, 10, 4);
    settings.run.cycle_seconds = 300;
    settings
}

fn start(settings: Settings) -> XtServer {
    XtServer::start(settings).expect("the server starts")
}
