//! What the comment and event texts of the three families mean.

/// The meaning of one text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::driver) enum Meaning {
    /// Measuring paused.
    Paused,
    /// Measuring went on.
    Resumed,
    /// The cover: `open`, `closed`, `moving`.
    Cover(&'static str),
    /// A set-point.
    SetPoint {
        /// What, by the contract's name.
        quantity: &'static str,
        /// The new value.
        value: Option<f64>,
        /// Whether control is on.
        enabled: Option<bool>,
    },
    /// Anything else: a comment.
    Remark,
}

fn set(quantity: &'static str, value: f64) -> Meaning {
    Meaning::SetPoint { quantity, value: Some(value), enabled: None }
}

fn switch(quantity: &'static str, enabled: bool) -> Meaning {
    Meaning::SetPoint { quantity, value: None, enabled: Some(enabled) }
}

fn figure(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// BioLector II and Pro, system texts.
pub(super) fn pro(text: &str) -> Meaning {
    match text {
        "PAUSE MEASUREMENT" => return Meaning::Paused,
        "RESTART MEASUREMENT" => return Meaning::Resumed,
        "COVER OPEN" => return Meaning::Cover("open"),
        "COVER CLOSED" => return Meaning::Cover("closed"),
        "START SHAKER" => return switch("shaker_rpm", true),
        "STOP SHAKER" => return switch("shaker_rpm", false),
        _ => {}
    }
    if let Some((what, state)) = text.split_once(" REGULATION ") {
        let quantity = match what {
            "TEMP" => Some("temperature_c"),
            "O2" => Some("o2_percent"),
            "CO2" => Some("co2_percent"),
            "HUMIDITY" => Some("humidity_percent"),
            _ => None,
        };
        if let (Some(quantity), Some(on)) = (quantity, on_off(state)) {
            return switch(quantity, on);
        }
    }
    let speed = text.strip_prefix("SET SHAKER SPEED TO ").and_then(|rest| rest.strip_suffix(" rpm")).and_then(figure);
    speed.map_or(Meaning::Remark, |rpm| set("shaker_rpm", rpm))
}

/// BioLector XT, system texts.
pub(in crate::driver) fn xt(text: &str) -> Meaning {
    match text {
        "Pause on" => return Meaning::Paused,
        "Pause off" => return Meaning::Resumed,
        _ => {}
    }
    let Some((what, value)) = text.split_once(" changed to ") else { return Meaning::Remark };
    let switched = |quantity| match value.trim() {
        "1" => switch(quantity, true),
        "0" => switch(quantity, false),
        _ => Meaning::Remark,
    };
    let target = |quantity| figure(value).map_or(Meaning::Remark, |value| set(quantity, value));
    match what {
        "Coverstate" => match value.trim() {
            "OPEN" => Meaning::Cover("open"),
            "CLOSED" => Meaning::Cover("closed"),
            "BUSY" => Meaning::Cover("moving"),
            _ => Meaning::Remark,
        },
        "TempControl state" => switched("temperature_c"),
        "Shaker state" => switched("shaker_rpm"),
        "HumidityControl" => switched("humidity_percent"),
        "Target temperature" => target("temperature_c"),
        "Target RPM" => target("shaker_rpm"),
        "Target O2" => target("o2_percent"),
        "Target CO2" => target("co2_percent"),
        _ => Meaning::Remark,
    }
}

/// BioLector I, one of the texts of a `K` row; runs of blanks are already single ones.
pub(super) fn one(text: &str) -> Meaning {
    match text {
        "PAUSE ON" => return Meaning::Paused,
        "PAUSE OFF" => return Meaning::Resumed,
        "Open Cover" => return Meaning::Cover("open"),
        "Close Cover" => return Meaning::Cover("closed"),
        _ => {}
    }
    let Some((what, value)) = text.strip_prefix("SWITCH SETPOINT:").and_then(|rest| rest.split_once('=')) else {
        return Meaning::Remark;
    };
    let quantity = match what.trim().trim_end_matches('.') {
        "Freq" => "shaker_rpm",
        "Temp" => "temperature_c",
        "Hum" | "Humidity" => "humidity_percent",
        "O2" => "o2_percent",
        "CO2" => "co2_percent",
        _ => return Meaning::Remark,
    };
    figure(value).map_or(Meaning::Remark, |value| set(quantity, value))
}

/// The texts of a `K` row: separated by commas, with stray empty ones and runs of blanks.
pub(super) fn one_texts(row: &str) -> impl Iterator<Item = String> {
    row.split(',').map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
}

fn on_off(text: &str) -> Option<bool> {
    match text.trim() {
        "ON" => Some(true),
        "OFF" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabularies_of_real_files() {
        for (text, meaning) in [
            ("PAUSE MEASUREMENT", Meaning::Paused),
            ("COVER OPEN", Meaning::Cover("open")),
            ("TEMP REGULATION ON", switch("temperature_c", true)),
            ("O2 REGULATION OFF", switch("o2_percent", false)),
            ("SET SHAKER SPEED TO 1200 rpm", set("shaker_rpm", 1200.0)),
            ("pH restart of module 1 and block 0", Meaning::Remark),
        ] {
            assert_eq!(pro(text), meaning, "{text}");
        }
        for (text, meaning) in [
            ("Pause off", Meaning::Resumed),
            ("Coverstate changed to BUSY", Meaning::Cover("moving")),
            ("Target temperature changed to 37", set("temperature_c", 37.0)),
            ("HumidityControl changed to 1", switch("humidity_percent", true)),
            ("Coverstate changed to BROKEN", Meaning::Remark),
        ] {
            assert_eq!(xt(text), meaning, "{text}");
        }
        let row = ", PreShaking   ON, SWITCH SETPOINT:Freq.=500, , PAUSE   OFF";
        let texts: Vec<String> = one_texts(row).collect();
        assert_eq!(texts, ["PreShaking ON", "SWITCH SETPOINT:Freq.=500", "PAUSE OFF"]);
        assert_eq!(one(&texts[1]), set("shaker_rpm", 500.0));
        assert_eq!(one("SWITCH SETPOINT:Temp.=28.5"), set("temperature_c", 28.5));
        assert_eq!(one("SWITCH SETPOINT:Freq.=NaN"), Meaning::Remark);
    }
}
