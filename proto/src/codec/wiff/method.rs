//! The acquisition method of a sample: polarity and mode.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use super::container::Streams;
use super::fields::Fields;
use super::model::{Mode, ModeKind, Polarity, Window};
use super::reason::{Known, Unknown};

/// Devices, periods and experiments beyond these are not looked at.
const DEVICES: usize = 16;
const PERIODS: usize = 16;
const EXPERIMENTS: usize = 256;

/// Where the experiment's name stands in its header, how long the header is without it, and where the scan type stands behind the usual
/// name.
const NAME_AT: usize = 0x5a;
const HEADER_WITHOUT_NAME: usize = 152;
const USUAL_SCAN_TYPE_AT: usize = 0x7a;

/// What one experiment of a method says in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Experiment {
    negative: bool,
    scan_type: u16,
}

/// Reads polarity and mode of the method `MethodN`. `words` are texts that belong to the method, such as its name, in which the vendor's
/// word for scanning SWATH is looked for.
pub(super) fn method<R: Read + Seek>(
    streams: &mut Streams<R>,
    method: &str,
    words: &[String],
) -> (Known<Polarity>, Known<Mode>) {
    let devices = numbered(streams, method, "DeviceMethod", DEVICES);
    if devices.is_empty() {
        let why = Unknown::Missing(format!("{method}/DeviceMethod0"));
        return (Err(why.clone()), Err(why));
    }
    let mut experiments = Vec::new();
    let mut first_problem = None;
    for device in &devices {
        for period in numbered(streams, device, "Period", PERIODS) {
            for experiment in numbered(streams, &period, "Experiment", EXPERIMENTS) {
                match header(streams, &format!("{experiment}/ExperimentHeader")) {
                    Ok(experiment) => experiments.push(experiment),
                    Err(why) => first_problem = first_problem.or(Some(why)),
                }
            }
        }
    }
    let none = || first_problem.clone().unwrap_or_else(|| Unknown::Missing(format!("{method}/…/Experiment0")));
    let polarity = match experiments.iter().map(|experiment| experiment.negative).collect::<BTreeSet<_>>() {
        signs if signs.is_empty() => Err(none()),
        signs if signs.len() > 1 => Ok(Polarity::Switching),
        signs if signs.contains(&true) => Ok(Polarity::Negative),
        _ => Ok(Polarity::Positive),
    };
    (polarity, mode(streams, &devices, &experiments, words).unwrap_or_else(|| Err(none())))
}

/// The storages `prefix0`, `prefix1`, … in their order.
fn numbered<R: Read + Seek>(streams: &Streams<R>, storage: &str, prefix: &str, most: usize) -> Vec<String> {
    let number = |name: &str| name.strip_prefix(prefix).and_then(|number| number.parse::<u32>().ok());
    let children = streams.children(storage).into_iter().filter(|(_, is_storage)| *is_storage);
    let mut found: Vec<(u32, String)> = children.filter_map(|(name, _)| Some((number(&name)?, name))).collect();
    found.sort();
    found.into_iter().take(most).map(|(_, name)| format!("{storage}/{name}")).collect()
}

fn header<R: Read + Seek>(streams: &mut Streams<R>, stream: &str) -> Known<Experiment> {
    let bytes = streams.all(stream)?;
    let mut fields = Fields::new(stream, &bytes, 0x56);
    let negative = match fields.u16("polarity")? {
        0 => false,
        1 => true,
        other => return Err(Fields::new(stream, &bytes, 0x56).unsound("polarity", format!("it is {other}"))),
    };
    // The experiment's name stands between: "New experiment" unless somebody changed it.
    let name = usize::from(Fields::new(stream, &bytes, NAME_AT).u16("experiment name")?);
    let at = if bytes.len() == HEADER_WITHOUT_NAME + name { NAME_AT + 2 + name + 2 } else { USUAL_SCAN_TYPE_AT };
    let scan_type = Fields::new(stream, &bytes, at).u16("scan type")?;
    Ok(Experiment { negative, scan_type })
}

fn mode<R: Read + Seek>(
    streams: &mut Streams<R>,
    devices: &[String],
    experiments: &[Experiment],
    words: &[String],
) -> Option<Known<Mode>> {
    let plain = |kind, word: &str| Some(Ok(Mode { kind, word: word.to_owned(), windows: Vec::new() }));
    for device in devices {
        let stream = format!("{device}/SWATHMethod");
        if streams.has(&stream) {
            let scanning = scanning_word(streams, device, words);
            let windows = match streams.all(&stream).and_then(|bytes| windows(&stream, &bytes)) {
                Ok(windows) => windows,
                Err(why) => return Some(Err(why)),
            };
            let (kind, word) = match scanning {
                Some(word) => (ModeKind::ZtScan, word),
                None => (ModeKind::Swath, "SWATHMethod".to_owned()),
            };
            return Some(Ok(Mode { kind, word, windows }));
        }
    }
    for device in devices {
        let children = streams.children(device);
        let dependent = |name: &str| name == "IDA" || name == "DDE" || name.starts_with("DDERealTimeData");
        if let Some((word, _)) = children.into_iter().find(|(name, _)| dependent(name)) {
            return plain(ModeKind::Dda, &word);
        }
    }
    let types: BTreeSet<u16> = experiments.iter().map(|experiment| experiment.scan_type).collect();
    let list = types.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let word = format!("scan type {list}");
    let kind = match types.into_iter().collect::<Vec<_>>()[..] {
        [] => return None,
        [4] => ModeKind::Srm,
        // 8: TOF MS, 9: TOF product ions; without IDA or SWATH the precursors are chosen by the method.
        [8] => ModeKind::Ms1,
        [9] | [8, 9] => ModeKind::Prm,
        _ => ModeKind::Unknown,
    };
    plain(kind, &word)
}

/// The vendor's word for scanning SWATH, where something of the method is called so. How the method itself marks it is not known.
fn scanning_word<R: Read + Seek>(streams: &Streams<R>, device: &str, words: &[String]) -> Option<String> {
    let names = streams.children(device).into_iter().map(|(name, _)| name);
    names.chain(words.iter().cloned()).find(|text| {
        let joined: String = text.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
        let joined = joined.to_ascii_lowercase();
        joined.contains("ztscan") || joined.contains("scanningswath")
    })
}

/// Reads the isolation windows: 40 bytes, then records of lower edge, upper edge and four bytes.
fn windows(stream: &str, bytes: &[u8]) -> Known<Vec<Window>> {
    const PREAMBLE: usize = 40;
    const RECORD: usize = 20;
    let mut windows = Vec::new();
    let mut fields = Fields::new(stream, bytes, PREAMBLE);
    for _ in 0..(bytes.len().saturating_sub(PREAMBLE) / RECORD).min(Mode::MAX_WINDOWS) {
        let begin = fields;
        let (lower, upper) = (fields.f64("window")?, fields.f64("window")?);
        fields.u32("window")?;
        if !(lower.is_finite() && upper.is_finite() && 0.0 <= lower && lower < upper && upper < 1e6) {
            return Err(begin.unsound("window", format!("{lower} to {upper}")));
        }
        windows.push(Window { lower, upper });
    }
    Ok(windows)
}
