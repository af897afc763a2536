//! Events of a transfer xml and of reports: one for each row.

use std::collections::BTreeMap;
use std::sync::Arc;

use instrument_proto::codec::echo::written::{Written, read};
use instrument_proto::codec::echo::{Figure, Format, PlateName, Report, Row};

use super::moments::{self, Moment};
use super::plates::{self, Plates};
use super::survey::{self, Finding};
use super::{Context, Defects, Place, fluid};
use crate::driver::Effects;
use crate::event::cultivation::{Plate, Run, RunFlag};
use crate::event::liquid::{self, LiquidFlag, Outcome};
use crate::event::transfer::{Completed, Failed, Reported, ReportedPlate};
use crate::event::{Body, Event, Key, Subject, Well, ids};

/// How far a volume may be from a whole number of droplets, in droplets: reports round.
const PART_OF_DROPLET: f64 = 0.01;

/// Volumes that differ by less are the same, in nanolitres.
const SAME_NL: f64 = 0.001;

/// Tells of every row of a report.
pub(super) fn tell(
    format: Format,
    report: &Report,
    place: &Place<'_>,
    context: &Context,
    defects: &mut Defects,
    effects: &mut Effects,
) {
    let run = Arc::new(run_of(format, report, place, context, defects));
    let moments = moments_of(report, place, context, defects);
    let plates = Plates::of(report, &run.identity, context);
    let teller = Teller { run: run.clone(), context, droplet_nl: context.profile.droplet_nl(&report.instrument.model) };
    let mut repeats: BTreeMap<_, u32> = BTreeMap::new();
    for (row, moment) in report.rows.iter().zip(&moments) {
        let pair = (&row.source, row.source_well, &row.destination, row.destination_well);
        let repeat = repeats.entry(pair).or_default();
        *repeat += 1;
        let well = |(row, column)| Well::new(row, column);
        let (Some(from), to) = (well(row.source_well), row.destination_well.and_then(well)) else { continue };
        let Some(source) = plates.get("source", &row.source) else { continue };
        let destination = plates.get("destination", &row.destination);
        let mut event = match (to, destination) {
            (Some(to), Some(destination)) => {
                let ends = [(source, from), (destination, to)];
                teller.transfer(row, ends, *repeat, moment)
            }
            _ => teller.surveyed(report, row, (source, from), *repeat, moment),
        };
        event.offset = place.offset(row.line);
        effects.events.push(event);
    }
}

/// The run of a report. A spreadsheet writes long numbers as `1.73E+09`: such an id is none.
fn run_of(format: Format, report: &Report, place: &Place<'_>, context: &Context, defects: &mut Defects) -> Run {
    let header = &report.header;
    if read(&header.ended) == Written::Damaged {
        let text = format!("the end of the run, `{}`, is no time that an Echo writes", header.ended);
        let code = "damaged-time-of-run";
        defects.add(code, if format == Format::ReportCsv { 2 } else { 1 }, &text, place);
    }
    let id = header.run_id.as_str();
    let is_rounded = id.contains(['e', 'E']) && id.parse::<f64>().is_ok();
    if is_rounded {
        defects.add("damaged-identity", 1, &format!("the run's id `{id}` was rounded by a spreadsheet"), place);
    }
    let of_xml = format!("{}/{}", report.instrument.serial, header.ended);
    let (identity, flags) = match id {
        "" if format == Format::TransferXml && matches!(read(&header.ended), Written::Full(_)) => (of_xml, Vec::new()),
        id if !id.is_empty() && !is_rounded => (id.to_owned(), Vec::new()),
        _ => (format!("content/{}", place.digest()), vec![RunFlag::ContentKey]),
    };
    Run {
        id: ids::run_id(&context.source, &identity),
        name: if format == Format::TransferXml { String::new() } else { header.protocol.clone() },
        instrument_run_id: identity.clone(),
        started_at: None,
        flags,
        identity,
    }
}

/// The moment of each row. The sections of a report are each in the order of time.
fn moments_of(report: &Report, place: &Place<'_>, context: &Context, defects: &mut Defects) -> Vec<Moment> {
    let mut moments: Vec<Option<Moment>> = vec![None; report.rows.len()];
    for section in [(true, false), (false, false), (false, true)] {
        let at: Vec<usize> = (0..)
            .zip(&report.rows)
            .filter(|(_, row)| (row.exception, row.skipped) == section)
            .map(|(at, _)| at)
            .collect();
        let rows: Vec<(&str, u64)> =
            at.iter().filter_map(|at| report.rows.get(*at)).map(|row| (row.time.as_str(), row.line)).collect();
        let found = moments::of_rows(&rows, &report.header.ended, &context.time_zone, place, defects);
        for (at, moment) in at.into_iter().zip(found) {
            if let Some(slot) = moments.get_mut(at) {
                *slot = Some(moment);
            }
        }
    }
    let unknown = Moment { at: None, flags: Vec::new(), written: None };
    moments.into_iter().map(|moment| moment.unwrap_or_else(|| unknown.clone())).collect()
}

/// What all rows of a report share.
struct Teller<'c> {
    run: Arc<Run>,
    context: &'c Context,
    droplet_nl: Option<f64>,
}

impl Teller<'_> {
    fn transfer(
        &self,
        row: &Row,
        [(source_plate, from), (destination_plate, to)]: [(&Arc<ReportedPlate>, Well); 2],
        repeat: u32,
        moment: &Moment,
    ) -> Event {
        let place = |plate: &ReportedPlate, well| liquid::Place {
            plate: Some(plate.id.clone()),
            labware: None,
            well: Some(well),
            position: None,
            volume_ul: None,
            piston_volume_ul: None,
            balance_ul: None,
        };
        let (source, destination) = (place(source_plate, from), place(destination_plate, to));
        let sensible = |figure: Figure| figure.number().filter(|volume| *volume >= 0.0);
        let figures = row.figures;
        let (requested, actual) = (sensible(figures.requested_nl), sensible(figures.actual_nl));
        let mut flags = moment.flags.clone();
        let all = [figures.requested_nl, figures.actual_nl, figures.survey_ul, figures.current_ul];
        if all.iter().any(|figure| *figure != Figure::Absent && sensible(*figure).is_none()) {
            flags.push(LiquidFlag::DamagedVolume);
        }
        let reported = Reported {
            run: Some(self.run.clone()),
            source_plate: Some(source_plate.clone()),
            destination_plate: Some(destination_plate.clone()),
            repeat: Some(repeat),
            status_code: code_of(&row.status).map(str::to_owned),
            sample_id: given(&row.sample_id),
            sample_name: given(&row.sample_name),
            current_volume_ul: sensible(figures.current_ul),
            fluid: fluid(&row.fluid),
            instrument_time: moment.written.clone(),
        };
        let subject = Subject::Well { plate: source_plate.id.clone(), well: from };
        let body = if is_failed(row, requested, actual) {
            let status = given(&row.status);
            let text =
                status.clone().unwrap_or_else(|| "nothing was transferred, and the report does not say why".to_owned());
            Body::TransferFailed(Failed {
                reason: if row.skipped { "skipped" } else { "not-transferred" },
                text,
                source: Some(source),
                destination: Some(destination),
                volume_nominal_nl: requested,
                survey_volume_ul: sensible(figures.survey_ul),
                status: status.unwrap_or_else(|| "failed".to_owned()),
                flags,
                reported,
                ..Failed::default()
            })
        } else {
            let mut text = None;
            if let (Some(asked), Some(given)) = (requested, actual)
                && given < asked - SAME_NL
            {
                flags.push(LiquidFlag::UnderDelivered);
                text = Some(format!("{given} nl of {asked} nl"));
            }
            if let (Some(droplet), Some(given)) = (self.droplet_nl, actual) {
                let droplets = given / droplet;
                if (droplets - droplets.round()).abs() > PART_OF_DROPLET {
                    flags.push(LiquidFlag::PartDroplet);
                }
            }
            Body::TransferCompleted(Completed {
                source,
                destination,
                volume_nl: actual,
                volume_nominal_nl: requested,
                survey_volume_ul: sensible(figures.survey_ul),
                piston_volume_ul: None,
                status: given(&row.status).unwrap_or_else(|| "ok".to_owned()),
                channel: None,
                tip: None,
                liquid_class: None,
                outcome: Outcome::Confirmed,
                flags,
                text,
                reported,
            })
        };
        let ends = format!("{}/{from}/{}/{to}", named(&row.source), named(&row.destination));
        self.event(body, format!("shot/{ends}/{repeat}"), subject, moment)
    }

    /// A row of a survey's report.
    fn surveyed(
        &self,
        report: &Report,
        row: &Row,
        (plate, well): (&Arc<ReportedPlate>, Well),
        repeat: u32,
        moment: &Moment,
    ) -> Event {
        let plate_type = &row.source.plate_type;
        let wells = report.rows.iter().filter(|other| other.source == row.source);
        let wells = wells.map(|other| (u32::from(other.source_well.0), u32::from(other.source_well.1)));
        let (rows, columns) = plates::format(plate_type, wells, self.context);
        let finding = Finding {
            volume: row.figures.survey_ul,
            current: row.figures.current_ul,
            status: &row.status,
            fluid: &row.fluid,
            moment,
        };
        let plate = Plate {
            id: plate.id.clone(),
            barcode: plate.barcode.as_deref().map(str::to_owned),
            barcode_status: plate.barcode_status,
            role: "source",
            plate_type: plate_type.clone(),
            rows,
            columns,
            lot: None,
        };
        let mut surveyed = finding.surveyed(plate, well);
        surveyed.run = Some(self.run.clone());
        survey::event(surveyed, format!("survey/{}/{well}/{repeat}", named(&row.source)), moment, None)
    }

    fn event(&self, body: Body, key: String, subject: Subject, moment: &Moment) -> Event {
        Event {
            body,
            alike: moment.alike(&key),
            key: Key::Text(key),
            run: Some(self.run.clone()),
            cycle: None,
            closes: false,
            subject,
            time: moment.at,
            time_quality: moment.quality(),
            revision: 1,
            reason: None,
            causation: None,
            offset: None,
        }
    }
}

/// Whether a row says that nothing arrived.
fn is_failed(row: &Row, requested: Option<f64>, actual: Option<f64>) -> bool {
    match actual {
        _ if row.skipped => true,
        Some(actual) => actual <= SAME_NL && requested != Some(0.0),
        None => row.exception || !row.status.is_empty(),
    }
}

/// A plate in a key: its name in the run and its barcode, as written.
fn named(plate: &PlateName) -> String {
    format!("{}/{}", plate.name, plate.barcode)
}

/// `MM0202001` of `MM0202001: Current fluid height below minimum transfer level`.
fn code_of(status: &str) -> Option<&str> {
    let (code, _) = status.split_once(':')?;
    let letters = code.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = code.get(letters..)?;
    (letters > 0 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(code)
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
