//! gRPC links, opened here: asked what the daemon would ask, and heard through a tap.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::source::Said;
use crate::config::settings::{DeviceSettings, GrpcSettings};
use crate::driver::biolector::Context;
use crate::driver::biolector_xt::{self, Heard, XtInput};
use crate::driver::{self, Driver, Effects, Input, Request};
use crate::event::SiteId;
use crate::link::biolector_xt::{Start, Told, XtEvent, XtLink, recorded, spawn};
use crate::link::device_service::{self, ServiceEvent, ServiceInlet, ServiceLink};
use crate::link::grpc::Tap;
use crate::link::recorder::{Describe, Happenings, Recorder};
use crate::profile::LiveProfile;

/// How long it is waited for the server to give up a subscription.
const UNSUBSCRIBING: Duration = Duration::from_secs(5);

fn tap(describe: Describe) -> (Tap, Happenings) {
    let (recorder, happenings) = Recorder::new(Some(describe));
    (Tap::new(recorder), happenings)
}

async fn passed(happenings: &mut Happenings) -> Option<Said> {
    let mut text = Vec::new();
    let happening = happenings.next(&mut text).await?;
    Some(Said::Passed(happening, text))
}

/// The remote interface of a BioLector XT. What is asked beside its stream depends on what came: the driver knows.
pub(super) struct Remote {
    link: XtLink,
    events: mpsc::Receiver<Told>,
    happenings: Happenings,
    driver: Box<dyn Driver>,
    effects: Effects,
}

impl Remote {
    pub fn open(site: &SiteId, device: &DeviceSettings, settings: GrpcSettings, live: LiveProfile) -> Self {
        let (tap, happenings) = tap(recorded::describe);
        let (link, events) = spawn(Start { settings, live, tap: Some(tap) });
        let context = Context::new(site, &device.id, device.profile.clone(), device.time_zone.clone());
        let driver = Box::new(biolector_xt::driver(context));
        Self { link, events, happenings, driver, effects: Effects::default() }
    }

    pub fn stop(&self) {
        self.link.stop();
    }

    pub async fn next(&mut self) -> Option<Said> {
        loop {
            tokio::select! {
                biased;
                said = passed(&mut self.happenings) => return said,
                Some(told) = self.events.recv() => {
                    if let Some(text) = self.follow(told) {
                        return Some(Said::Connection(text));
                    }
                }
            }
        }
    }

    /// Asks what follows; gives how the connection stands where that is new.
    fn follow(&mut self, Told { at, event }: Told) -> Option<String> {
        match &event {
            XtEvent::Opened { place, epoch } => {
                self.give(XtInput::Opened { epoch, snapshot: &[], cut: None }, at);
                return Some(format!("{place} answers"));
            }
            XtEvent::Closed { place, reason, .. } => {
                self.give(XtInput::Closed, at);
                return Some(format!("{place}: {reason}"));
            }
            XtEvent::Unreachable { place, reason, .. } => return Some(format!("{place}: {reason}")),
            XtEvent::Faulted { text, .. } => return Some(text.clone()),
            XtEvent::Recovered { what } => return Some(format!("{what} works again")),
            XtEvent::Heard(update) => self.give(XtInput::Heard(&[Heard { at, update: update.clone() }]), at),
            XtEvent::File { source, piece } => {
                self.driver.handle(Input::File(source, piece.input()), at, &mut self.effects);
                self.effects.clear();
            }
            XtEvent::Downloaded { experiment, outcome } => {
                let outcome = outcome.as_ref().copied().map_err(String::as_str);
                self.give(XtInput::Downloaded { experiment, outcome }, at);
            }
            answer => {
                if let Some(input) = answer.as_answer() {
                    self.give(input, at);
                }
            }
        }
        None
    }

    fn give(&mut self, input: XtInput<'_>, at: Timestamp) {
        self.driver.handle(Input::Xt(input), at, &mut self.effects);
        for request in self.effects.requests.drain(..) {
            if let Request::Ask(ask) = request {
                self.link.ask(ask);
            }
        }
        self.effects.clear();
    }
}

/// A device service, with a subscription of its own.
pub(super) struct Service {
    settings: GrpcSettings,
    link: ServiceLink,
    inlet: ServiceInlet,
    happenings: Happenings,
    subscription: u32,
}

impl Service {
    pub fn open(settings: GrpcSettings) -> Self {
        let (tap, happenings) = tap(device_service::recorded::describe);
        let start = device_service::Start {
            settings: settings.clone(),
            wanted: driver::echo_ms::WANTED,
            position: None,
            tap: Some(tap),
        };
        let (link, inlet) = device_service::spawn(start);
        Self { settings, link, inlet, happenings, subscription: 0 }
    }

    /// Stops it, and gives up its subscription: nobody will come back to it.
    pub async fn stop(&mut self) {
        self.link.stop();
        if self.subscription == 0 {
            return;
        }
        let told = device_service::unsubscribe(&self.settings, self.subscription);
        match tokio::time::timeout(UNSUBSCRIBING, told).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => eprintln!("the subscription stays at the server until its lifetime ends: {failure}"),
            Err(_) => eprintln!("the subscription stays at the server until its lifetime ends: it does not answer"),
        }
    }

    pub async fn next(&mut self) -> Option<Said> {
        loop {
            let event = std::future::poll_fn(|context| self.inlet.poll_next(context));
            tokio::select! {
                biased;
                said = passed(&mut self.happenings) => return said,
                Some(event) = event => match event {
                    ServiceEvent::Connected { place } => return Some(Said::Connection(format!("{place} is heard"))),
                    ServiceEvent::Disconnected { place, reason, .. } => {
                        return Some(Said::Connection(format!("{place}: {reason}")));
                    }
                    ServiceEvent::Notified(notified) => {
                        self.subscription = notified.position.subscription;
                        self.link.handled(notified.position);
                    }
                    ServiceEvent::Lost { .. } => {}
                }
            }
        }
    }
}
