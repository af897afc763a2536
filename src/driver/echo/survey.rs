//! Events of a survey xml, and of the rows of a survey's report.

use instrument_proto::codec::echo::{Figure, FluidCells, Survey};

use super::moments::{self, Moment};
use super::{Context, Defects, Place, fluid, plates};
use crate::driver::Effects;
use crate::event::cultivation::Plate;
use crate::event::ejection::{SurveyOutcome, Surveyed};
use crate::event::liquid::LiquidFlag;
use crate::event::{Body, Event, Key, Subject, Well};

/// How the status of a well begins that is empty, or in which nothing was found.
const NO_DATA: &str = "Data missing";

/// What was found in one well.
pub(super) struct Finding<'a> {
    pub volume: Figure,
    pub current: Figure,
    pub status: &'a str,
    pub fluid: &'a FluidCells,
    pub moment: &'a Moment,
}

impl Finding<'_> {
    /// As events tell it, without a run.
    pub fn surveyed(&self, plate: Plate, well: Well) -> Surveyed {
        let mut flags = self.moment.flags.clone();
        let sensible = |figure: Figure| figure.number().filter(|volume| *volume >= 0.0);
        if [self.volume, self.current].iter().any(|figure| *figure != Figure::Absent && sensible(*figure).is_none()) {
            flags.push(LiquidFlag::DamagedVolume);
        }
        // The instrument writes 0 for a well in which it found nothing.
        let volume = sensible(self.volume).filter(|volume| *volume > 0.0 && !self.status.starts_with(NO_DATA));
        let outcome = match volume {
            None => SurveyOutcome::NoData,
            Some(_) if self.status.is_empty() => SurveyOutcome::Measured,
            Some(_) => SurveyOutcome::Doubtful,
        };
        Surveyed {
            run: None,
            plate,
            well,
            outcome,
            volume_ul: volume,
            current_volume_ul: volume.and(sensible(self.current)),
            fluid: volume.and_then(|_| fluid(self.fluid)),
            status: Some(self.status.to_owned()).filter(|status| !status.is_empty()),
            instrument_time: self.moment.written.clone(),
            flags,
        }
    }
}

/// An event about a surveyed well.
pub(super) fn event(surveyed: Surveyed, key: String, moment: &Moment, offset: Option<u64>) -> Event {
    Event {
        subject: Subject::Well { plate: surveyed.plate.id.clone(), well: surveyed.well },
        run: surveyed.run.clone(),
        alike: moment.alike(&key).filter(|_| surveyed.run.is_some()),
        body: Body::EjectionSurveyed(surveyed),
        key: Key::Text(key),
        cycle: None,
        closes: false,
        time: moment.at,
        time_quality: moment.quality(),
        revision: 1,
        reason: None,
        causation: None,
        offset,
    }
}

/// Tells of every well of a survey.
pub(super) fn tell(
    survey: &Survey,
    place: &Place<'_>,
    context: &Context,
    defects: &mut Defects,
    effects: &mut Effects,
) {
    let moment = moments::single(&survey.date, 1, &context.time_zone, place, defects);
    // Who the survey is: its plate, instrument and moment as written; without a moment its content.
    let (plate_type, barcode) = (&survey.plate_type, &survey.barcode);
    let identity = match survey.date.as_str() {
        "" => format!("content/{}", place.digest()),
        date => format!("{}/{date}/{plate_type}/{barcode}", survey.serial),
    };
    let (rows, columns) = match (survey.rows, survey.columns) {
        (0, _) | (_, 0) => plates::format(plate_type, survey.wells.iter().map(|well| (well.row, well.column)), context),
        told => told,
    };
    if !context.profile.plate_formats.contains(&(rows * columns)) {
        let text = format!("a plate of {rows} rows and {columns} columns is none that the profile names");
        defects.add("unknown-plate-format", 1, &text, place);
    }
    let (barcode, barcode_status) = plates::barcode(barcode, context);
    let id = match &barcode {
        Some(barcode) => barcode.clone(),
        None => plates::made_id("", &format!("survey/{identity}"), context),
    };
    let plate = Plate {
        id,
        barcode: barcode.map(|barcode| barcode.as_ref().to_owned()),
        barcode_status,
        role: "source",
        plate_type: plate_type.clone(),
        rows,
        columns,
        lot: None,
    };
    let mut repeats = std::collections::BTreeSet::new();
    for found in &survey.wells {
        let at = u8::try_from(found.row).ok().zip(u8::try_from(found.column).ok());
        let well = at.and_then(|(row, column)| Well::new(row, column));
        let Some(well) = well.filter(|_| found.row < rows && found.column < columns) else {
            let text = format!("row {} and column {} are not on the plate", found.row + 1, found.column + 1);
            defects.add("unknown-well", found.line, &text, place);
            continue;
        };
        if !repeats.insert(well) {
            defects.add("repeated-row", found.line, &format!("{well} stands in the survey twice"), place);
            continue;
        }
        let finding = Finding {
            volume: found.volume_ul,
            current: found.current_ul,
            status: &found.status,
            fluid: &found.fluid,
            moment: &moment,
        };
        let surveyed = finding.surveyed(plate.clone(), well);
        let key = format!("survey/{identity}/{well}");
        effects.events.push(event(surveyed, key, &moment, place.offset(found.line)));
    }
}
