//! What the subscriber hears, in plain words.

use serde_json::Value;

use super::stage::{BIOLECTOR_XT, ROBOLECTOR, ZENOTOF};
use super::subscriber::Heard;

/// Puts events into words, and remembers of them what the story needs.
#[derive(Debug, Default)]
pub struct Teller {
    latest: Latest,
    overload_told: bool,
    /// The run of the BioLector is over.
    pub run_completed: bool,
    /// `sampling.completed` events.
    pub samplings: usize,
    /// `ejection.ejected` events of samples.
    pub ejections: usize,
    /// `ejection.failed` events.
    pub missed: usize,
    /// `acquisition.completed` events.
    pub acquisitions: usize,
    /// `cultivation.measured` events of the BioLector XT, and those of them that came after a cut of its stream.
    pub live_readings: usize,
    reconciled: usize,
    /// `cultivation.refined` events of it.
    refined: usize,
    /// The run of the BioLector XT is over.
    pub live_run_completed: bool,
    /// Where samplings went that are not told of yet, and what the piston took, microlitres.
    untold: Vec<(String, f64)>,
    /// Wells into which liquid came that was not seen before, and that are not told of yet.
    unexplained: Vec<String>,
    /// The robot's line was lost and is not back.
    line_lost: bool,
}

/// The latest values of the well that the story follows.
#[derive(Debug, Default)]
struct Latest {
    biomass: Option<f64>,
    ph: Option<f64>,
    oxygen: Option<f64>,
}

impl Teller {
    /// Takes an event in; gives what there is to say of it at once.
    pub fn take(&mut self, heard: &Heard) -> Option<String> {
        let data = &heard.data;
        if heard.device == BIOLECTOR_XT {
            return self.live(heard);
        }
        match heard.event_type.trim_start_matches("instrumentd.").trim_end_matches(".v1") {
            "cultivation.started" => {
                let channels = data["channels"].as_array().map_or(0, Vec::len);
                Some(format!("The run begins: 48 wells, {channels} filter sets. From here on we follow well A01."))
            }
            "cultivation.measured" => self.reading(data),
            "cultivation.cycle-completed" => Some(self.cycle(data)),
            "cultivation.completed" | "cultivation.stopped" => {
                self.run_completed = true;
                Some(format!("The run is over after {} cycles.", data["cycles"]))
            }
            "sampling.completed" => {
                self.samplings += 1;
                let piston = data["piston_volume_ul"].as_f64().unwrap_or_default();
                self.untold.push((text(&data["destinations"][0], "well"), piston));
                None
            }
            "sampling.dispensed" => {
                self.unexplained.push(text(&data["destination"], "well"));
                None
            }
            "device.disconnected" if heard.device == ROBOLECTOR && !self.line_lost => {
                self.line_lost = true;
                Some(format!("The daemon has lost the robot's line: {}.", text(data, "reason")))
            }
            "device.connected" if heard.device == ROBOLECTOR && self.line_lost => {
                self.line_lost = false;
                Some("The robot's line is back.".to_owned())
            }
            "device.gap" => Some(format!("A gap ({}): {}", heard.device, text(data, "text"))),
            "acquisition.started" => {
                Some(format!("The ZenoTOF has begun the acquisition {}.", text(&data["file_set"], "name")))
            }
            "ejection.planned" => {
                if heard.device != ZENOTOF {
                    return None;
                }
                let ejections = data["ejections"].as_array().map(Vec::as_slice).unwrap_or_default();
                let wells = ejections.iter().filter(|ejection| ejection["kind"] == "sample").count();
                Some(format!(
                    "Its shot list names {wells} wells. That is what was planned; what was ejected the Echo tells."
                ))
            }
            "ejection.run-started" => Some("The Echo's run begins.".to_owned()),
            "ejection.ejected" => {
                self.ejections += usize::from(data["kind"] == "sample");
                None
            }
            "ejection.failed" if data["kind"] == "sample" => {
                self.missed += 1;
                Some(format!("Nothing came of the Echo's shot from {}: {}.", text(data, "well"), text(data, "status")))
            }
            "ejection.run-completed" => Some(format!(
                "The Echo's run is over: {} samples went into the ZenoTOF, which sees one acquisition.",
                self.ejections
            )),
            "acquisition.completed" => {
                self.acquisitions += 1;
                Some(completed(data))
            }
            "acquisition.incomplete" => {
                Some(format!("The acquisition {} is incomplete: {}", text(&data["file_set"], "name"), data["problems"]))
            }
            _ => None,
        }
    }

    /// An event of the BioLector XT.
    fn live(&mut self, heard: &Heard) -> Option<String> {
        let data = &heard.data;
        match heard.event_type.trim_start_matches("instrumentd.").trim_end_matches(".v1") {
            "cultivation.measured" => {
                self.live_readings += 1;
                self.reconciled += usize::from(heard.ingest == "reconciled");
                None
            }
            "cultivation.refined" => {
                self.refined += 1;
                None
            }
            "device.disconnected" => Some("The daemon has lost the BioLector XT's stream, and tries again.".to_owned()),
            "device.gap" => Some(format!("A gap ({}): {}", heard.device, text(data, "text"))),
            "cultivation.completed" | "cultivation.stopped" if !self.live_run_completed => {
                self.live_run_completed = true;
                Some(format!(
                    "The BioLector XT's run is over: {} readings, {} of them fetched after its stream was cut.",
                    self.live_readings, self.reconciled
                ))
            }
            _ => None,
        }
    }

    /// What there is to say of what the BioLector XT's file added.
    pub fn refinements(&self) -> Option<String> {
        (self.refined > 0).then(|| {
            format!(
                "The BioLector XT's file, fetched when its run was over, added raw amplitudes to {} readings that had come live: `cultivation.refined`. No reading was told twice.",
                self.refined
            )
        })
    }

    /// What there is to say of the samplings since the last time.
    pub fn samplings(&mut self) -> Option<String> {
        let told = std::mem::take(&mut self.untold);
        let ((first, piston), (last, _)) = (told.first()?, told.last()?);
        Some(format!(
            "{} samplings are published, into {first} to {last}; {piston} µl each is what the piston was told.",
            told.len()
        ))
    }

    /// What there is to say of dispenses without an aspirate since the last time.
    pub fn unexplained(&mut self) -> Option<String> {
        let wells = std::mem::take(&mut self.unexplained);
        if wells.is_empty() {
            return None;
        }
        Some(format!(
            "The daemon saw liquid come out into {} and had not seen it go in: it says `no-aspirate`, and calls it no sampling.",
            wells.join(", ")
        ))
    }

    fn cycle(&self, data: &Value) -> String {
        let count = |member: &str| -> u64 {
            let channels = data["channels"].as_array().map(Vec::as_slice).unwrap_or_default();
            channels.iter().filter_map(|channel| channel[member].as_u64()).sum()
        };
        let unusable = match count("invalid") {
            0 => String::new(),
            invalid => format!(", {invalid} of them overloaded"),
        };
        let (cycle, seen) = (data["cycle"].as_u64().unwrap_or_default(), count("seen"));
        format!("Cycle {cycle:>2}: {seen} readings{unusable}. {}", self.latest)
    }

    fn reading(&mut self, data: &Value) -> Option<String> {
        if data["quality"] == "overload" && !self.overload_told {
            self.overload_told = true;
            return Some(format!(
                "Well {}: the detector of {} is overloaded. The reading is published all the same, with quality `overload`.",
                text(data, "well"),
                text(data, "channel")
            ));
        }
        if let (Some("A01"), Some(value)) = (data["well"].as_str(), data["value"].as_f64()) {
            match data["kind"].as_str() {
                Some("biomass") if data["filterset"] == 1 => self.latest.biomass = Some(value),
                Some("ph") => self.latest.ph = Some(value),
                Some("do") => self.latest.oxygen = Some(value),
                _ => {}
            }
        }
        None
    }
}

fn completed(data: &Value) -> String {
    let list = |member: &Value| member.as_array().cloned().unwrap_or_default();
    let rules: Vec<String> = list(&data["evidence"]).iter().map(|evidence| text(evidence, "rule")).collect();
    let members = list(&data["file_set"]["members"]);
    let hashed = members.iter().filter(|member| member["sha256"].is_string()).count();
    format!(
        "The acquisition {} is complete, says {}; {hashed} files have their SHA-256.",
        text(&data["file_set"], "name"),
        rules.join(", ")
    )
}

fn text(data: &Value, member: &str) -> String {
    data[member].as_str().unwrap_or("?").to_owned()
}

impl std::fmt::Display for Latest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (Some(biomass), Some(ph), Some(oxygen)) = (self.biomass, self.ph, self.oxygen) {
            write!(f, "A01: biomass {biomass:.1}, pH {ph:.2}, oxygen {oxygen:.0} %")?;
        }
        Ok(())
    }
}
