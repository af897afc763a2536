//! The files beside an XT's table: what a reader needs to understand it, since the table has no header.

use std::io::{Cursor, Write as _};

use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::calibration::{Linear, OxygenOptode, PhOptode};
use super::plate::{Plate, Spot};
use super::quirk::Quirk;
use super::settings::{Channel, ChannelKind, Settings};

/// `<process>_<protocol>`: what all names of a run begin with.
pub fn seed_name(settings: &Settings) -> String {
    format!("{}_{}", settings.process, settings.protocol)
}

/// The members that are written at the start, without the table: name and bytes.
pub fn members(settings: &Settings) -> Vec<(String, Vec<u8>)> {
    let seed = seed_name(settings);
    let stamp = settings.start.strftime("%Y%m%dT%H%M%S");
    vec![
        (format!("{seed}.json"), protocol_file(settings)),
        (format!("{seed}_filterlist.json"), pretty(&filter_list(settings))),
        (format!("{seed}_filterconfig.json"), pretty(&filter_config(settings))),
        (format!("{seed}_filtersettings.json"), pretty(&filter_settings(settings))),
        (format!("{seed}_settings.ini"), SETTINGS_INI.as_bytes().to_vec()),
        (format!("{seed}_{stamp}.scripts"), pretty(&scripts(settings))),
    ]
}

const SETTINGS_INI: &str = "[Common]\nhardware_revision=0\nservice_mode=false\nreferencing=1\nrate_log_data_wait_cycle=30\n\
    [Drive%20Parameters]\nx_home=-7.56\ny_home=-5.44\ncover_open=1\ncover_close=230\n";

/// The `.meta` member. `end` is empty while the run goes on.
pub fn meta(settings: &Settings, end: Option<DateTime>) -> Vec<u8> {
    let moment = |at: DateTime| Value::from(format!("{}{}", at.strftime("%Y-%m-%dT%H:%M:%S"), offset(settings)));
    pretty(&json!({
        "BioLectorId": format!("BLXTM9999_{:08}", settings.process),
        "CsvFileVersion": "1.0.0",
        "End": end.map_or(Value::Null, moment),
        "HmiVersion": if settings.has(Quirk::LastWellBug) { "1.8.10" } else { "1.6.1" },
        "Id": experiment_id(settings),
        "ProcessId": settings.process,
        "ProtocolId": protocol_id(settings),
        "SeedName": seed_name(settings),
        "Start": moment(settings.start),
        "XtId": "00000000",
    }))
}

/// The `.log` member: the device's own log, as far as it concerns a reader.
pub fn log(settings: &Settings, end: Option<DateTime>) -> Vec<u8> {
    let line =
        |at: DateTime, text: &str| format!("[{}.000] [logfile] [info] {text}\n", at.strftime("%Y-%m-%d %H:%M:%S"));
    let mut text = line(settings.start, "Experiment: started now");
    if let Some(end) = end {
        text.push_str(&line(end, "Experiment: stopped"));
    }
    text.into_bytes()
}

/// The zip of a finished run.
///
/// # Errors
/// None that a memory buffer can cause; the zip writer's own are passed on.
pub fn archive(settings: &Settings, members: &[(String, Vec<u8>)]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    // One fixed time for every member, so that the same run makes the same archive.
    let at = zip::DateTime::from_date_and_time(settings.start.year().unsigned_abs().max(1980), 1, 1, 0, 0, 0)
        .unwrap_or_default();
    let options = zip::write::SimpleFileOptions::default().last_modified_time(at);
    for (name, bytes) in members {
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    // Values in memory always serialise; an empty member would show in the first test that reads it.
    let _ = serde::Serialize::serialize(value, &mut serializer);
    text.push(b'\n');
    text
}

fn crlf(value: &Value) -> Vec<u8> {
    String::from_utf8_lossy(&pretty(value)).replace('\n', "\r\n").into_bytes()
}

/// An identifier in the form of a UUID that depends on the seed and the run alone.
fn id(settings: &Settings, purpose: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(settings.seed ^ (u64::from(settings.process) << 20) ^ (purpose << 56));
    let (a, b) = (rng.u64(..), rng.u64(..));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// The run's own identifier.
pub fn experiment_id(settings: &Settings) -> String {
    id(settings, 1)
}

/// The identifier of the run's protocol.
pub fn protocol_id(settings: &Settings) -> String {
    settings.protocol_id.clone().unwrap_or_else(|| id(settings, 2))
}

/// The protocol as it is stored and run.
pub fn protocol_file(settings: &Settings) -> Vec<u8> {
    crlf(&protocol(settings))
}

fn offset(settings: &Settings) -> String {
    let seconds = settings.offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
}

fn filter_of(channel: &Channel) -> Value {
    let (name, kind) = match channel.kind {
        ChannelKind::Biomass => ("Biomass", "Intensity"),
        ChannelKind::Fluorescence => ("Fluorescence", "Intensity"),
        ChannelKind::Ph => ("pH(HP8)", "pH"),
        ChannelKind::Oxygen => ("DO(PSt3)", "DO"),
    };
    json!({ "Id": channel.filter_id, "Name": name, "FilterType": kind, "Gain": if kind == "Intensity" { 2 } else { 7 } })
}

/// The filter sets' filters, each once.
fn filters(settings: &Settings) -> Vec<Channel> {
    let mut channels = settings.channels();
    channels.sort_by_key(|channel| channel.filter_id);
    channels.dedup_by_key(|channel| channel.filter_id);
    channels
}

fn filter_settings(settings: &Settings) -> Value {
    let one = |channel: &Channel| {
        let reference = if channel.kind.is_intensity() { channel.reference_value } else { 900.0 };
        json!({ "Id": channel.filter_id, "LedRelativePower": 36.1, "PhaseOffset": 0, "RefValue": reference })
    };
    filters(settings).iter().map(one).collect()
}

fn filter_config(settings: &Settings) -> Value {
    let one = |(index, channel): (usize, &Channel)| json!({ "FilterId": channel.filter_id, "Position": index + 1 });
    filters(settings).iter().enumerate().map(one).collect()
}

fn filter_list(settings: &Settings) -> Value {
    let one = |channel: &Channel| {
        let mut filter = filter_of(channel);
        let (ex, em) = match channel.kind {
            ChannelKind::Biomass => (620, 620),
            ChannelKind::Fluorescence => (488, 520),
            ChannelKind::Ph => (470, 525),
            ChannelKind::Oxygen => (520, 600),
        };
        filter["Ex"] = ex.into();
        filter["Em"] = em.into();
        filter["Em2"] = (-1).into();
        filter["ReferencingGain"] = 2.into();
        filter["SinusFrequency"] = 2.into();
        filter
    };
    filters(settings).iter().map(one).collect()
}

fn scripts(settings: &Settings) -> Value {
    let one = |n: u64| {
        json!({
            "Id": id(settings, 10 + n), "IsActive": true, "KeepActiveAfterError": true, "Language": "Lua",
            "MaxRunDuration": 0.166_666_666_666_666_66, "ResetOnFirstStart": false, "Script": "",
        })
    };
    (0..4).map(one).collect()
}

fn linear(parameter: Linear) -> Value {
    json!({ "Slope": parameter.slope, "Offset": parameter.offset })
}

fn calibration(settings: &Settings, channel: &Channel, labels: &[String]) -> Value {
    let range = json!({ "Min": 20.0, "Max": 40.0 });
    let well = |(index, label): (usize, &String)| match channel.kind {
        ChannelKind::Ph => {
            let optode = PhOptode::of_well(index);
            json!({
                "PhTempCalibration": {
                    "Id": id(settings, 30), "fMin": linear(optode.fmin), "fMax": linear(optode.fmax),
                    "dpH": linear(optode.dph), "pH0": linear(optode.ph0), "TemperatureRange": range,
                },
                "TemperatureRange": range, "CultivationLabel": label,
            })
        }
        _ => {
            // Three parameters of a formula that is not published: the numbers of ours mean nothing.
            let optode = OxygenOptode::of_well(index);
            let third = Linear { slope: 0.0, offset: 1.0 };
            json!({
                "DoTempCalibration": {
                    "Id": id(settings, 31), "Parameters": [linear(optode.k0), linear(optode.k100), linear(third)],
                    "TemperatureRange": range,
                },
                "TemperatureRange": range, "CultivationLabel": label,
            })
        }
    };
    match channel.kind {
        ChannelKind::Biomass | ChannelKind::Fluorescence => Value::Null,
        ChannelKind::Ph | ChannelKind::Oxygen => json!({
            "WellCalibrations": labels.iter().enumerate().map(well).collect::<Vec<_>>(),
            "Id": id(settings, 32), "Name": format!("{} Lot 9900", channel.name), "LotId": 9900,
            "MtpIds": [plate_id(settings)], "CompatibleFilters": [filter_of(channel)],
        }),
    }
}

fn plate_id(settings: &Settings) -> u32 {
    if settings.plate() == Plate::Mf32 { 3 } else { 9 }
}

fn protocol(settings: &Settings) -> Value {
    let plate = settings.plate();
    let wells = plate.serpentine();
    let in_order: Vec<String> = wells.iter().map(ToString::to_string).collect();
    let mut labels = in_order.clone();
    labels.sort();
    let measured = settings.well_count() as usize;
    let mut measured_labels: Vec<String> = in_order[..measured].to_vec();
    measured_labels.sort();
    let of_each = |value: f64| -> Value {
        labels.iter().map(|label| (label.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into()
    };
    let spot = |well, spot| {
        let (x, y) = plate.position(well, spot);
        json!({ "X": x, "Y": y })
    };
    let positions: serde_json::Map<String, Value> = wells
        .iter()
        .map(|&well| {
            let spots = json!({ "Intensity": spot(well, Spot::Intensity), "pH": spot(well, Spot::Ph), "DO": spot(well, Spot::Oxygen) });
            (well.to_string(), spots)
        })
        .collect();
    let channels: Vec<Value> = settings
        .channels()
        .iter()
        .enumerate()
        .map(|(index, channel)| {
            json!({
                "Id": index + 1, "Name": channel.name, "Filter": filter_of(channel), "Gain1": channel.gain, "Gain2": 1,
                "Calibration": calibration(settings, channel, &in_order),
            })
        })
        .collect();
    let set_point = |value: f64| json!({ "Setpoints": [{ "Value": value, "Time": "00:00:00" }] });
    let created = format!("{}.0000000{}", settings.start.strftime("%Y-%m-%dT%H:%M:%S"), offset(settings));
    let seconds = settings.cycle_seconds;
    json!({
        "Id": protocol_id(settings),
        "CreatedAt": created,
        "LastModifiedAt": created,
        "Name": settings.protocol,
        "UserName": if settings.has(Quirk::Latin1) { json!("Müller") } else { Value::Null },
        "Comment": "simulated run",
        "LotId": 9900,
        "Microplate": {
            "Id": plate_id(settings), "Name": plate.name(), "ChipType": "2R", "CultivationLabels": labels,
            "ReservoirLabels": plate.reservoirs().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "MaxVolumesInMicroLiter": of_each(3200.0), "CultivationOptodePositionMap": positions,
        },
        "Channels": channels,
        "Layout": {
            "MeasuredCultivationLabels": measured_labels,
            "CultivationLabelMaxVolumeMicroLiterMap": of_each(1200.0),
            "CultivationLabelStartVolumeMicroLiterMap": of_each(800.0),
        },
        "CycleTime": format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        "ExperimentTime": Value::Null,
        "EnvironmentProfiles": { "Air": set_point(50.0), "Shaker": set_point(1200.0), "Temperature": set_point(37.0) },
        "InitialTemperature": 37.0, "InitialRpm": 1200.0, "InitialO2": Value::Null, "InitialCO2": Value::Null, "InitialFlowRate": 50.0,
        "UseHumidityControl": true, "GassingMode": "Air", "UserScripts": [], "ProfileScripts": [],
        "Microfluidics": if plate == Plate::Mf32 { json!({ "ReservoirSettings": { "VolumePerStrokeMicroliter": 0.06 } }) } else { Value::Null },
        "Version": 6,
    })
}
