//! The batch as SCIEX OS imports it.
//!
//! Source: what `labmcp-ms-worklist` collected of SCIEX's import; the exact header is that of a blank batch of the same system.

use super::settings::Settings;

/// The columns, in the order of the file.
pub const HEADER: [&str; 14] = [
    "Sample Name",
    "Sample ID",
    "Sample Type",
    "MS Method",
    "LC Method",
    "Rack Type",
    "Rack Position",
    "Plate Type",
    "Plate Position",
    "Vial Position",
    "Injection Volume",
    "Data File",
    "Processing Method",
    "Comment",
];

/// The batch that gives these acquisitions: one line for each sample.
pub fn batch_csv(settings: &Settings) -> String {
    let mut text = HEADER.join(",") + "\r\n";
    for file in &settings.files {
        for sample in &file.samples {
            let volume =
                if sample.injection_volume_ul < 0.0 { String::new() } else { sample.injection_volume_ul.to_string() };
            let cells = [
                &sample.name,
                &sample.id,
                "Unknown",
                &settings.method,
                "",
                &sample.rack,
                "1",
                &sample.plate,
                "1",
                &sample.position,
                &volume,
                &file.stem,
                "",
                &sample.comment,
            ];
            text += &cells.map(cell).join(",");
            text += "\r\n";
        }
    }
    text
}

fn cell(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
