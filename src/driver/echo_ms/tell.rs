//! What each event of the gateway becomes.

use super::run::{Known, Runs};
use super::{Context, Unreadable, shown};
use crate::driver::service::Happened;
use crate::driver::zenotof::ejection::{Listed, Order, ejections};
use crate::driver::{Effects, SourceName};
use crate::event::ejection::{Planned, RunCompleted, RunStarted, Shot, SurveyOutcome, Surveyed};
use crate::event::labware::{BarcodeRead, DeckPlace, PlateLoaded};
use crate::event::liquid::{Fluid, Outcome};
use crate::event::{Body, Event, EventType, Key, Subject, TimeQuality, Well, device};

/// Shots of a list that are looked at: the wells of the largest plate, several times over.
const MAX_SHOTS: usize = 16_384;

/// Missing places that a gap names.
const NAMED: usize = 20;

/// One event of the gateway, and where what follows goes.
pub(super) struct Telling<'a, 'b> {
    pub context: &'a Context,
    pub source: &'a SourceName,
    pub happened: &'a Happened<'b>,
    pub effects: &'a mut Effects,
}

impl Telling<'_, '_> {
    fn event(&mut self, known: &mut Known, body: Body, key: Key, subject: Option<Subject>) {
        known.count(body.event_type());
        self.tell(Some(known), body, key, subject);
    }

    fn tell(&mut self, known: Option<&Known>, body: Body, key: Key, subject: Option<Subject>) {
        let run = known.map(|known| known.run.clone());
        let subject = subject.or_else(|| run.as_ref().map(|run| Subject::Run(run.id)));
        self.effects.events.push(Event {
            closes: body.event_type() == EventType::EjectionRunCompleted,
            body,
            key,
            run,
            cycle: None,
            subject: subject.unwrap_or(Subject::Device),
            time: self.happened.time,
            time_quality: if self.happened.time.is_some() { TimeQuality::Instrument } else { TimeQuality::Unknown },
            revision: 1,
            reason: None,
            causation: None,
            offset: None,
            alike: None,
        });
    }

    fn known<'r>(&self, runs: &'r mut Runs) -> Result<&'r mut Known, Unreadable> {
        let id = self.happened.text("RunId").ok_or_else(|| Unreadable("it names no run in `RunId`".to_owned()))?;
        runs.named(&self.context.source, id)
            .ok_or_else(|| Unreadable(format!("its `RunId` `{}` is too long or holds control characters", shown(id))))
    }

    fn owned(&self, field: &str) -> Option<String> {
        self.happened.text(field).map(shown)
    }

    pub fn run_started(&mut self, runs: &mut Runs) -> Result<(), Unreadable> {
        let happened = self.happened;
        let known = self.known(runs)?;
        if known.head.told {
            return Ok(());
        }
        let head = &mut known.head;
        head.told = true;
        head.started = happened.time;
        head.name = happened.text("Method").map_or_else(|| head.id.clone(), shown);
        head.barcode = happened.text("PlateBarcode").map(shown);
        head.plate_type = happened.text("PlateType").map(shown);
        head.wells = happened.count("PlateWells").filter(|wells| *wells > 0);
        head.has_plate = head.barcode.is_some() || head.plate_type.is_some() || head.wells.is_some();
        known.renew(&self.context.source);
        let plate = known.plate(&self.context.source);
        let (run, interval_s) = (known.run.clone(), happened.number("ShotIntervalS").filter(|s| *s >= 0.0));
        let started = RunStarted {
            run: run.clone(),
            plate: plate.clone(),
            method: self.owned("Method"),
            operator: self.owned("Operator"),
            planned: happened.count("PlannedShots"),
            interval_s,
        };
        if let Some(plate) = &plate {
            let barcode = BarcodeRead {
                barcode: plate.barcode.clone(),
                barcode_status: plate.barcode_status,
                labware: None,
                instrument_place: Some("source plate".to_owned()),
                reader: "ejector".to_owned(),
                errors: Vec::new(),
            };
            let place = DeckPlace { labware: None, position: None };
            let outcome = Outcome::Confirmed;
            let loaded = PlateLoaded { plate: Some(plate.clone()), place, by: "instrument", outcome };
            let about = || Some(Subject::Other(plate.id.clone()));
            self.event(known, Body::PlateLoaded(loaded), Key::Run, about());
            self.event(known, Body::BarcodeRead(barcode), Key::Run, about());
        }
        self.event(known, Body::EjectionRunStarted(started), Key::Run, None);
        if let Some(planned) = self.planned(known) {
            self.event(known, Body::EjectionPlanned(planned), Key::Run, None);
        }
        runs.note_head();
        runs.note_seen();
        self.recovered(runs);
        Ok(())
    }

    /// The run's shot list, in the order of ejection.
    fn planned(&self, known: &Known) -> Option<Planned> {
        let list = self.happened.elements("ShotList").filter(|list| !list.is_empty())?;
        let listed = list.iter().take(MAX_SHOTS).zip(1u32..).map(|(entry, listed)| {
            let text = entry.as_text().map(shown).unwrap_or_default();
            let marker = text.contains("Marker");
            Listed { well: Well::from_label(text.as_bytes()).filter(|_| !marker), marker, listed, text }
        });
        let is_reported = self.happened.text("OrderBasis") == Some("reported");
        // The list already stands in the order in which it is worked off.
        let order = if is_reported { Order::AsListed } else { self.context.order };
        Some(Planned {
            file_set: None,
            sample_index: None,
            run: Some(known.run.clone()),
            plate: known.plate(&self.context.source),
            order: order.as_str(),
            basis: if is_reported { "instrument" } else { "shot-list" },
            ejections: ejections(listed.collect(), order),
        })
    }

    pub fn surveyed(&mut self, runs: &mut Runs) -> Result<(), Unreadable> {
        let happened = self.happened;
        let known = self.known(runs)?;
        let label = happened.text("Well").ok_or_else(|| Unreadable("it names no well in `Well`".to_owned()))?;
        let well = Well::from_label(label.as_bytes())
            .ok_or_else(|| Unreadable(format!("its `Well` `{}` is no well", shown(label))))?;
        self.learn_plate(known);
        let Some(plate) = known.plate(&self.context.source) else {
            return Err(Unreadable(format!("nothing tells which plate the well {well} is on")));
        };
        // Wells are numbered as those of the largest plate.
        if !known.seen.wells.add(1 + u32::from(well.row()) * 48 + u32::from(well.column())) {
            return Ok(());
        }
        let status = self.owned("Status");
        let volume_ul = happened.number("FluidVolumeUl").filter(|volume| *volume >= 0.0);
        let outcome = match (status.as_deref(), volume_ul) {
            (Some("empty"), _) | (_, None) => SurveyOutcome::NoData,
            (Some("ok") | None, Some(_)) => SurveyOutcome::Measured,
            (Some(_), Some(_)) => SurveyOutcome::Doubtful,
        };
        let fluid = Fluid {
            kind: happened.text("Fluid").map(|fluid| shown(fluid).into()),
            composition: happened.number("FluidComposition"),
            units: happened.number("FluidComposition").map(|_| "%".into()),
        };
        let subject = Subject::Well { plate: plate.id.clone(), well };
        let body = Surveyed {
            run: Some(known.run.clone()),
            plate,
            well,
            outcome,
            volume_ul: volume_ul.filter(|_| outcome != SurveyOutcome::NoData),
            current_volume_ul: None,
            fluid: Some(fluid).filter(|fluid| *fluid != Fluid::default()),
            status,
            instrument_time: None,
            flags: Vec::new(),
        };
        self.event(known, Body::EjectionSurveyed(body), Key::Text(format!("survey/{well}")), Some(subject));
        runs.note_seen();
        Ok(())
    }

    /// Where the run's start was missed, its events tell at least the barcode.
    fn learn_plate(&self, known: &mut Known) {
        if !known.head.has_plate
            && let Some(barcode) = self.happened.text("PlateBarcode")
        {
            known.head.barcode = Some(shown(barcode));
            known.head.has_plate = true;
        }
    }

    pub fn shot(&mut self, runs: &mut Runs, kind: &'static str) -> Result<(), Unreadable> {
        let happened = self.happened;
        let known = self.known(runs)?;
        let order = happened
            .count("Order")
            .filter(|order| *order > 0)
            .ok_or_else(|| Unreadable("it has no place in the run's order in `Order`".to_owned()))?;
        let had_plate = known.head.has_plate;
        self.learn_plate(known);
        let has_learnt = known.head.has_plate != had_plate;
        if !known.seen.orders.add(order) {
            return Ok(());
        }
        let text = self.owned(if kind == "marker" { "Label" } else { "Well" });
        let plate = known.plate(&self.context.source);
        let is_on_plate = |well: &Well| {
            plate.as_ref().is_none_or(|plate| {
                plate.rows == 0 || (u32::from(well.row()) < plate.rows && u32::from(well.column()) < plate.columns)
            })
        };
        let well = happened.text("Well").and_then(|label| Well::from_label(label.as_bytes())).filter(is_on_plate);
        let status = self.owned("Status").unwrap_or_else(|| "unknown".to_owned());
        let repeat = happened.count("Repeat").unwrap_or(1);
        let volume = |field| happened.number(field).filter(|volume| *volume >= 0.0);
        let (plate_key, subject) = match (&plate, well) {
            (Some(plate), Some(well)) => (plate.id.clone(), Some(Subject::Well { plate: plate.id.clone(), well })),
            (Some(plate), None) => (plate.id.clone(), None),
            (None, _) => ("".into(), None),
        };
        let body = Shot {
            run: known.run.clone(),
            kind,
            plate,
            well,
            text: text.filter(|_| kind == "marker" || well.is_none()),
            order,
            repeat,
            sample_id: self.owned("SampleId"),
            volume_nl: volume("ActualVolumeNl"),
            volume_nominal_nl: volume("NominalVolumeNl"),
            expected_time: happened.time("ExpectedTime"),
            actual_time: happened.time("ActualTime"),
            status,
        };
        let came = matches!(body.status.as_str(), "ok" | "low-volume");
        let key = Key::Text(format!("{plate_key}/{order}/{repeat}"));
        let body = if came { Body::EjectionEjected(body) } else { Body::EjectionFailed(body) };
        self.event(known, body, key, subject);
        runs.note_seen();
        if has_learnt {
            runs.note_head();
        }
        if came {
            self.recovered(runs);
        }
        Ok(())
    }

    pub fn error(&mut self, runs: &mut Runs) -> Result<(), Unreadable> {
        let happened = self.happened;
        let code = self.owned("Code").unwrap_or_else(|| "unknown".to_owned());
        let id: String = happened.id.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
        let key = if id.is_empty() { format!("{code}/{:?}", happened.time) } else { id };
        if !runs.fault(&key, &code) {
            return Ok(());
        }
        let about: Vec<String> = [("run", "RunId"), ("well", "Well")]
            .into_iter()
            .filter_map(|(what, field)| Some(format!("{what} {}", self.owned(field)?)))
            .chain(happened.count("Order").map(|order| format!("shot {order}")))
            .collect();
        let text = match shown(happened.message) {
            text if about.is_empty() => text,
            text => format!("{text} ({})", about.join(", ")),
        };
        let remedy = Some("look at the instrument's own screen".to_owned());
        let body = Body::DeviceFaulted(device::Faulted { code, text, remedy });
        self.tell(None, body, Key::Text(format!("echo/{key}")), Some(Subject::Device));
        Ok(())
    }

    /// The instrument works: what was wrong is over.
    fn recovered(&mut self, runs: &mut Runs) {
        for (key, code) in runs.recovered() {
            let body = Body::DeviceRecovered(device::Recovered { code });
            self.tell(None, body, Key::Text(format!("echo/{key}")), Some(Subject::Device));
        }
    }

    pub fn run_ended(&mut self, runs: &mut Runs) -> Result<(), Unreadable> {
        let happened = self.happened;
        let known = self.known(runs)?;
        if std::mem::replace(&mut known.seen.ended, true) {
            return Ok(());
        }
        let outcome = self.owned("Outcome").unwrap_or_else(|| "unknown".to_owned());
        let counts = ["Ejected", "Failed"].map(|field| happened.count(field));
        // Markers that did not come are in no count: the places that are known may go further than the counts.
        let counted =
            counts.iter().flatten().copied().fold(happened.count("Markers").unwrap_or(0), u32::saturating_add);
        let planned = happened.count("Planned");
        let due = match outcome.as_str() {
            "completed" => planned.unwrap_or(counted),
            _ => counted,
        };
        let missing = known.seen.orders.holes(due.max(known.seen.orders.last()));
        let events = EventType::ALL.iter().filter_map(|t| Some((t.short(), *known.seen.counts.get(t.short())?)));
        let body = RunCompleted {
            run: known.run.clone(),
            plate: known.plate(&self.context.source),
            outcome,
            planned,
            ejected: counts[0],
            failed: counts[1],
            markers: happened.count("Markers"),
            complete: missing.is_empty(),
            missing: missing.iter().take(1000).copied().collect(),
            started: happened.time("StartTime"),
            ended: happened.time("EndTime").or(happened.time),
            events: events.collect(),
        };
        let run = body.run.instrument_run_id.clone();
        self.tell(Some(known), Body::EjectionRunCompleted(body), Key::Run, None);
        if !missing.is_empty() {
            let count: u64 = missing.iter().map(|(from, to)| u64::from(to - from) + 1).sum();
            let named: Vec<String> = missing
                .iter()
                .take(NAMED)
                .map(|(from, to)| if from == to { from.to_string() } else { format!("{from} to {to}") })
                .collect();
            let more = if missing.len() > NAMED { " and more" } else { "" };
            let text = format!(
                "of run `{run}` nothing tells what came of {count} shots that were due: places {}{more} in its order",
                named.join(", ")
            );
            self.effects.gaps.push((self.source.clone(), "missing-ejections", text));
        }
        runs.note_seen();
        Ok(())
    }
}
