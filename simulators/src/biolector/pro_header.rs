//! The header of a BioLector II or Pro: sections whose number of `=` is their depth, lines `[key] value`.

use std::fmt::Write as _;

use super::calibration::{Linear, OxygenOptode, PhOptode};
use super::plate::{Plate, Spot};
use super::quirk::Quirk;
use super::settings::{ChannelKind, Settings};

/// The header, up to and with the line that starts the data, with `\n` between lines.
pub fn header(settings: &Settings) -> String {
    let mut text = Header { text: String::new(), trailing: if settings.has(Quirk::HeaderRestart) { " " } else { "" } };
    process(&mut text, settings);
    protocol(&mut text, settings);
    channels(&mut text, settings);
    if settings.plate() == Plate::Mf32 {
        text.section(6, " microfluidics settings ");
        text.key("microfluidics", "1");
    }
    conditions(&mut text, settings);
    if settings.plate() == Plate::Mf32 {
        microfluidics(&mut text, settings);
    } else {
        text.section(6, " microfluidics settings ");
        text.key("microfluidics", "0");
    }
    wells(&mut text, settings);
    text.text.push_str("\n=====data=====\n");
    text.text
}

struct Header {
    text: String,
    /// Restarting files have a blank behind values and sections.
    trailing: &'static str,
}

impl Header {
    fn section(&mut self, depth: usize, name: &str) {
        let bars = "=".repeat(depth);
        let _ = writeln!(self.text, "{bars}{name}{bars}{}", self.trailing);
    }

    /// A line `[key] value`; an empty value leaves nothing behind the bracket.
    fn key(&mut self, key: &str, value: impl std::fmt::Display) {
        let value = value.to_string();
        let blank = if value.is_empty() && self.trailing.is_empty() { "" } else { " " };
        let _ = writeln!(self.text, "[{key}]{blank}{value}{}", self.trailing);
    }
}

fn process(text: &mut Header, settings: &Settings) {
    // The first section never has the trailing blank.
    let trailing = std::mem::take(&mut text.trailing);
    text.section(5, "process");
    text.key("process", settings.process);
    text.key("start_date_time", settings.start.strftime("%Y-%m-%d, %H:%M:%S"));
    text.key("hardware_id", "B2-10-1000-0001");
    text.key("file_version_number", "0.0.0");
    text.key("internal_referencing", 1);
    text.key("hmi_version", "1.135");
    text.key("is_compressed", 0);
    text.key("referencing", 2);
    let filter = |kind| match kind {
        ChannelKind::Biomass => "Biomass",
        ChannelKind::Fluorescence => "Fluorescence",
        ChannelKind::Ph => "pH(HP8)",
        ChannelKind::Oxygen => "DO(PSt3)",
    };
    let channels = settings.channels();
    for (index, channel) in channels.iter().enumerate() {
        text.key(
            &format!("{:02}_reference_value_{}", index + 1, filter(channel.kind)),
            format!("{:.6}", channel.reference_value),
        );
    }
    for (index, channel) in channels.iter().enumerate() {
        let what = if channel.kind.is_intensity() { "reference_gain" } else { "gain" };
        let gain = if channel.kind.is_intensity() { 5 } else { channel.gain };
        text.key(&format!("{:02}_{what}_{}", index + 1, filter(channel.kind)), gain);
    }
    text.section(5, "protocol");
    text.trailing = trailing;
}

fn protocol(text: &mut Header, settings: &Settings) {
    let latin1 = settings.has(Quirk::Latin1);
    text.section(6, " main ");
    text.key("name", &settings.protocol);
    text.key("final", "False");
    text.key("user", if latin1 { "Müller" } else { "SIM" });
    text.key("comment", if latin1 { "Kulturen bei 30 °C" } else { "" });
    text.key("mtp", settings.plate().name());
    text.key("mtp-rows", 6);
    text.key("mtp-columns", 8);
    text.key("mtp-lot", "9900");
    text.key("layout", if settings.plate() == Plate::Mf32 { "DOE" } else { "48MTP" });
    text.key("biolection_version", "3.18.1.0-0000000000000000000000000000000000000000");
}

fn channels(text: &mut Header, settings: &Settings) {
    let channels = settings.channels();
    text.section(6, " channels ");
    text.key("no_filterset", channels.len());
    for (index, channel) in channels.iter().enumerate() {
        let number = index + 1;
        let (kind, calibration) = match channel.kind {
            ChannelKind::Biomass | ChannelKind::Fluorescence => ("Intensity", ""),
            ChannelKind::Ph => ("pH", "9900_comp"),
            ChannelKind::Oxygen => ("DO", "9900_comp"),
        };
        text.section(5, " measurement channels ");
        text.key(&format!("{number:02}_no"), number);
        text.key(&format!("{number:02}_name"), channel.name);
        text.key(&format!("{number:02}_filter_id"), channel.filter_id);
        text.key(&format!("{number:02}_filter_type"), kind);
        text.key(&format!("{number:02}_gain_1"), channel.gain);
        text.key(&format!("{number:02}_gain_2"), 1);
        text.key(&format!("{number:02}_calibration"), calibration);
    }
}

fn conditions(text: &mut Header, settings: &Settings) {
    text.section(6, " process ");
    text.key("temperature", 30);
    text.key("humidity", 85);
    text.key("frequency", 1400);
    text.key("cycle-time", settings.cycle_seconds);
    text.key("exp-time", 0);
    for key in ["temp-after-exp", "o2", "co2", "evacuation-time"] {
        text.key(key, -1);
    }
    for profile in ["temperature", "humidity", "shaker", "co2", "o2", "cover", "pause"] {
        text.section(5, &format!("{profile}-profile"));
        text.key(&format!("no_{profile}_points"), 0);
    }
    text.section(5, "LAM");
    text.key("lam_mode", 0);
}

fn microfluidics(text: &mut Header, settings: &Settings) {
    text.section(6, " microfluidics settings ");
    text.key("chip_type", "2R");
    text.key("max_well_volume", 1500);
    text.key("fill_profile_name", "SIM-fill");
    text.key("ph_control_profile_name", "SIM-pH");
    for key in [
        "ph_control_profile_act_name",
        "1_feed_profile_name",
        "1_feed_profile_act_name",
        "2_feed_profile_name",
        "2_feed_profile_act_name",
    ] {
        text.key(key, "");
    }
    for (key, value) in [("ctrl_mode-dosing_r1", "2"), ("ctrl_mode-dosing_r2", "2"), ("ctrl_mode-dosing_r3", "1")] {
        text.key(key, value);
    }
    for (key, value) in
        [("ph_src_acid", "B"), ("ph_src_base", "A"), ("1_feed_src", "N"), ("2_feed_src", "N"), ("src_rows", "A;B;")]
    {
        text.key(key, value);
    }
    text.section(5, " microfluidics lot settings ");
    text.key("lot_no", "");
    for valve in 1..=12 {
        text.key(&format!("v_prime{valve}"), 0);
    }
    for valve in 1..=12 {
        text.key(&format!("k{valve}"), 1);
    }
    text.section(5, " microfluidics pH control configuration ");
    text.key("start_valve_open", "57.1428571428572");
    text.key("deadband_value", "0.05");
    text.key("pressure_drop_pa", 50_000);
    text.section(5, " microfluidics source wells ");
    let reservoirs = settings.plate().reservoirs();
    text.key("no_src", reservoirs.len());
    for (index, well) in reservoirs.iter().enumerate() {
        let number = index + 1;
        text.key(&format!("{number:02}_src_well"), well);
        for (key, value) in
            [("med", ""), ("conc", "0.01"), ("v_p", "0.3"), ("vis", "1"), ("temp", "20"), ("vol", "1200")]
        {
            text.key(&format!("{number:02}_src_{key}"), value);
        }
    }
}

fn wells(text: &mut Header, settings: &Settings) {
    let plate = settings.plate();
    let measured = settings.well_count() as usize;
    let channels = settings.channels();
    text.section(6, " fermentations ");
    text.key("no_fermentation", measured);
    for (index, well) in plate.serpentine().into_iter().take(measured).enumerate() {
        let number = index + 1;
        text.section(5, " fermentation ");
        text.key(&format!("{number:03}_well"), well);
        text.key(&format!("{number:03}_content"), format!("X{}", plate.content_number(well)));
        text.key(&format!("{number:03}_description"), "");
        text.key(&format!("{number:03}_s_vol"), if plate == Plate::Mf32 { 1000 } else { 0 });
        text.section(4, " measurements ");
        for (set, channel) in channels.iter().enumerate() {
            let prefix = format!("{number:03}_{:02}", set + 1);
            let spot = channel.kind.spot();
            let (x, y) = plate.position(well, spot);
            text.section(3, " measurement ");
            text.key(&format!("{prefix}_measure"), 1);
            text.key(&format!("{prefix}_x"), x);
            text.key(&format!("{prefix}_y"), y);
            text.section(2, " calibration ");
            match spot {
                Spot::Intensity => text.key(&format!("{prefix}_cal-mode"), "NONE"),
                Spot::Ph => {
                    let optode = PhOptode::of_well(index);
                    calibration(text, &prefix, "PH");
                    for (name, parameter) in
                        [("fmin", optode.fmin), ("fmax", optode.fmax), ("ph0", optode.ph0), ("dph", optode.dph)]
                    {
                        offset_then_slope(text, &prefix, name, parameter);
                    }
                }
                Spot::Oxygen => {
                    let optode = OxygenOptode::of_well(index);
                    calibration(text, &prefix, "DO");
                    for (name, parameter) in [("k0", optode.k0), ("k100", optode.k100)] {
                        text.key(&format!("{prefix}_{name}_m"), parameter.slope);
                        text.key(&format!("{prefix}_{name}_a"), parameter.offset);
                    }
                }
            }
        }
        if plate == Plate::Mf32 {
            dosing(text, &format!("{number:03}"), well.column + 1);
        }
    }
}

fn calibration(text: &mut Header, prefix: &str, mode: &str) {
    text.key(&format!("{prefix}_cal-mode"), mode);
    text.key(&format!("{prefix}_temp-comp"), 1);
    text.key(&format!("{prefix}_temp_min"), 20);
    text.key(&format!("{prefix}_temp_max"), 40);
}

fn offset_then_slope(text: &mut Header, prefix: &str, name: &str, parameter: Linear) {
    text.key(&format!("{prefix}_{name}_a"), parameter.offset);
    text.key(&format!("{prefix}_{name}_m"), parameter.slope);
}

fn dosing(text: &mut Header, number: &str, column: u8) {
    text.section(2, " microfluidics ");
    text.section(1, " pH control ");
    let (acid, base) = (format!("B{column:02}"), format!("A{column:02}"));
    for (key, value) in [
        ("ph", "1"),
        ("ph_max_valve_open", "3428.57142857143"),
        ("ph_min_valve_open", "28.5714285714286"),
        ("ph_p_band_value", "1"),
        ("ph_integrator", "1"),
        ("ph_buffering_capacity", "MEDIUM"),
        ("no_ph_sp", "1"),
        ("01_ph_tim", "0"),
        ("01_ph_val", "6.6"),
        ("ph_sgnl", "3"),
        ("ph_sgnl_cal", "1"),
        ("ph_src_acid", acid.as_str()),
        ("ph_src_base", base.as_str()),
        ("ph_act", "0"),
    ] {
        text.key(&format!("{number}_{key}"), value);
    }
    text.section(1, " 1.feed control ");
    text.key(&format!("{number}_1_feed"), 0);
    text.section(1, " 2.feed control ");
    text.key(&format!("{number}_2_feed"), 0);
}
