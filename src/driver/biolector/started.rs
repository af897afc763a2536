//! What the first event of a run says.

use std::collections::BTreeMap;

use super::facts::ChannelFacts;
use super::reading;
use super::run::Run;
use crate::event::cultivation::{Calibration, Channel, Instrument, Plate, Started};

pub(super) fn started(run: &Run) -> Started {
    let facts = &run.facts;
    Started {
        run: run.run.clone(),
        instrument_time: facts.instrument_time.clone(),
        plate: Plate {
            id: run.plate_id.clone(),
            barcode: None,
            barcode_status: "none",
            role: "cultivation",
            plate_type: facts.plate_type.clone(),
            rows: facts.rows,
            columns: facts.columns,
            lot: facts.lot.clone(),
        },
        channels: facts.channels.iter().map(|channel| told(run, channel)).collect(),
        instrument: Instrument {
            serial: facts.serial.clone(),
            software: facts.software.clone(),
            format: facts.format.clone(),
        },
        settings: facts.settings.clone(),
        operator: facts.operator.clone(),
        comment: facts.comment.clone(),
    }
}

fn told(run: &Run, channel: &ChannelFacts) -> Channel {
    let mut wells = BTreeMap::new();
    for (well, at) in &channel.wells {
        let (Some(well), Some(calibration)) = (super::facts::well(*well), run.facts.calibrations.get(usize::from(*at)))
        else {
            continue;
        };
        let mut parameters = BTreeMap::new();
        for (name, (slope, offset)) in calibration.names().iter().zip(&calibration.parameters) {
            parameters.insert(format!("{name}_m"), *slope);
            parameters.insert(format!("{name}_a"), *offset);
        }
        if let Some((min, max)) = calibration.range {
            parameters.insert("temp_min".to_owned(), min);
            parameters.insert("temp_max".to_owned(), max);
        }
        wells.insert(well, parameters);
    }
    let calibration =
        (!wells.is_empty()).then(|| Calibration { lot: channel.lot.clone(), mode: channel.mode.clone(), wells });
    Channel {
        filterset: channel.filterset,
        name: channel.name.as_str().into(),
        kind: channel.kind,
        gain: channel.gain,
        unit: reading::unit(&run.context.profile, channel.kind),
        calibration,
    }
}
