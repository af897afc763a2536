//! What a file says, beside what the remote interface said before it: a second telling makes no second event.

use std::collections::BTreeMap;

use super::run::window;
use crate::driver::SourceName;
use crate::event::cultivation::{Measured, ReadingFlag, Refined};
use crate::event::{Alike, Body, Event, Figure, Known, Way};
use crate::profile::Tolerance;

/// How far apart the two ways may say that something happened which the stream gives no time of.
pub(super) const WINDOW_S: f64 = 5.0;

/// What is learnt of each source while it is read.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The last cycle's number and start, and the shortest cycle, by source.
    cycles: BTreeMap<SourceName, (u32, f64, Option<f64>)>,
}

impl Files {
    /// A source is not read any more.
    pub fn forget(&mut self, source: &SourceName) {
        self.cycles.remove(source);
    }

    /// Says of each event how it is recognised.
    pub fn mark(&mut self, source: &SourceName, events: &mut [Event], tolerance: &Tolerance) {
        for event in events {
            if let Body::CycleStarted(started) = &event.body {
                let (cycle, elapsed, shortest) =
                    self.cycles.entry(source.clone()).or_insert((started.cycle, started.elapsed_s, None));
                if started.cycle == cycle.wrapping_add(1) && started.elapsed_s >= *elapsed {
                    let length = started.elapsed_s - *elapsed;
                    *shortest = Some(shortest.map_or(length, |known| known.min(length)));
                }
                (*cycle, *elapsed) = (started.cycle, started.elapsed_s);
            }
            let window_s = window(self.cycles.get(source).and_then(|(.., shortest)| *shortest));
            event.alike = match &event.body {
                Body::Measured(measured) => Some(Box::new(Alike {
                    known: Known::Instead(Box::new(Event {
                        body: Body::Refined(Refined(measured.clone())),
                        cycle: None,
                        ..event.clone()
                    })),
                    ..reading(measured, Way::File, window_s, tolerance)
                })),
                body => happening(body, Way::File).map(Box::new),
            };
        }
    }
}

/// How a reading is recognised.
pub(super) fn reading(measured: &Measured, way: Way, window_s: f64, tolerance: &Tolerance) -> Alike {
    let value = measured.value.unwrap_or(f64::NAN);
    let is_misfiled = measured.flags.contains(&ReadingFlag::MisfiledWell);
    Alike {
        about: format!("reading/{}", measured.well),
        elapsed_s: Some(measured.elapsed_s),
        window_s,
        way,
        figures: vec![
            Figure {
                name: "filterset",
                value: f64::from(measured.filterset),
                tolerance: 0.0,
                // Rows of the software 1.8.10 stand under another filter set.
                is_strict: !is_misfiled,
            },
            Figure { name: "cycle", value: f64::from(measured.cycle), tolerance: 0.0, is_strict: false },
            Figure {
                name: "value",
                value,
                tolerance: tolerance.amplitude + tolerance.relative * value.abs(),
                is_strict: false,
            },
        ],
        known: Known::Keep,
    }
}

/// How something is recognised that happens without a natural key; `None` for what only one way tells of.
pub(super) fn happening(body: &Body, way: Way) -> Option<Alike> {
    let (about, elapsed_s) = match body {
        Body::Commented(it) => (format!("commented/{}/{}", it.kind, it.text), it.elapsed_s),
        Body::CultivationPaused(it) => ("paused".to_owned(), Some(it.elapsed_s)),
        Body::CultivationResumed(it) => ("resumed".to_owned(), Some(it.elapsed_s)),
        Body::AccessStarted(it) => ("access-started".to_owned(), it.elapsed_s),
        Body::AccessEnded(it) => ("access-ended".to_owned(), it.elapsed_s),
        Body::CoverChanged(it) => (format!("cover/{}", it.cover), Some(it.elapsed_s)),
        Body::SetpointChanged(it) => {
            (format!("setpoint/{}/{:?}/{:?}", it.quantity, it.setpoint, it.enabled), Some(it.elapsed_s))
        }
        // What was pumped in all is the same whenever it is told; reservoirs have other names there than here.
        Body::Fed(it) => (format!("fed/{}/{:.2}", it.well, it.volume_ul?), Some(0.0)),
        _ => return None,
    };
    let window_s = if matches!(body, Body::Fed(_)) { 0.0 } else { WINDOW_S };
    Some(Alike { about, elapsed_s, window_s, way, figures: Vec::new(), known: Known::Keep })
}
