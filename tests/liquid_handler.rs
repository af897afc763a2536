//! An Echo liquid handler's file drops through the binary.

use std::collections::BTreeMap;
use std::fs;

use assert_cmd::Command;
use serde_json::Value;

const REPORT: &str = "Run ID,1733769624\nRun Date/Time,2024-12-09 13:46:20\nProtocol Name,p.epr\n\n[DETAILS]\n\
Date Time Point,Source Plate Name,Source Plate Barcode,Source Well,Destination Plate Name,Destination Plate Barcode,\
Destination Well,Transfer Volume,Actual Volume,Sample ID,Survey Fluid Volume,Transfer Status\n\
2024-12-09 13:41:30.154,Source[1],S1,A1,Destination[1],D1,A1,100,100,S-7,52.337,\n\
2024-12-09 13:41:31.102,Source[1],S1,A1,Destination[1],D1,B1,100,0,,52.337,MM0202001: too low\n\n\
Instrument Serial Number,E5XX-1\nInstrument Software Version,2.6.3\n";

const SURVEY: &str = "<platesurvey name=\"384PP_AQ_BP\" barcode=\"UnknownBarCode\" date=\"2023-10-29 18:31:12.000\" \
serial_number=\"E\" rows=\"16\" cols=\"24\" totalWells=\"2\"><w r=\"0\" c=\"0\" n=\"A1\" vl=\"8\" cvl=\"8\" status=\"\" fld=\"AQ\"/>\
<w r=\"0\" c=\"1\" n=\"A2\" vl=\"0\" cvl=\"0\" status=\"Data missing for well (1th row, 2th column), defaulting to 0.0 value of AQ\"/></platesurvey>";

#[test]
fn a_folder_is_decoded_by_content_and_a_copy_makes_nothing_new() {
    let folder = tempfile::tempdir().expect("a folder");
    // Names say nothing, and a copy has another one.
    fs::write(folder.path().join("a.csv"), REPORT).expect("written");
    fs::write(folder.path().join("copy of a.csv"), REPORT).expect("written");
    fs::write(folder.path().join("b.xml"), SURVEY).expect("written");
    fs::write(folder.path().join("cut.xml"), &SURVEY.replace("18:31:12", "18:31:13")[..SURVEY.len() - 20])
        .expect("written");
    fs::write(folder.path().join("c.csv"), "Source Well,Destination Well,Transfer Volume\nA1,A1,25\n")
        .expect("written");
    let output = Command::new(assert_cmd::cargo::cargo_bin!("instrumentd"))
        .args(["decode", "--profile", "echo-liquid-handler", "--time-zone", "America/New_York"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    let summary = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{summary}");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut types: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).expect("json");
        let (kind, id) = (event["type"].as_str().expect("a type"), event["id"].as_str().expect("an id"));
        types.entry(kind.to_owned()).or_default().insert(id.to_owned(), event.clone());
    }
    let counts: Vec<(&str, usize)> = types.iter().map(|(kind, events)| (kind.as_str(), events.len())).collect();
    assert_eq!(
        counts,
        [
            ("instrumentd.ejection.surveyed.v1", 3),
            ("instrumentd.transfer.completed.v1", 1),
            ("instrumentd.transfer.failed.v1", 1)
        ],
        "{summary}"
    );
    let completed = types["instrumentd.transfer.completed.v1"].values().next().expect("one");
    assert_eq!(
        (completed["time"].as_str(), completed["sampleid"].as_str()),
        (Some("2024-12-09T18:41:30.154Z"), Some("S-7"))
    );
    for expected in [
        "told again by copies, with the same ids: 2",
        "1 failed: MM0202001: too low",
        "gap cut-off in cut.xml",
        "refused c.csv: it is a picklist",
    ] {
        assert!(summary.contains(expected), "{expected}: {summary}");
    }
}
