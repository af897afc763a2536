//! Known values of real files.

use std::collections::BTreeMap;

use super::support::{Bench, bytes, decode, decode_export, members};
use crate::event::cultivation::Quality;
use crate::profile::Family;

const PRO: Family = Family::BiolectorPro;

fn summary(bench: &Bench) -> String {
    let mut types: BTreeMap<&str, u32> = BTreeMap::new();
    for event in &bench.events {
        *types.entry(event.body.event_type().short()).or_default() += 1;
    }
    let mut quality: BTreeMap<Quality, u32> = BTreeMap::new();
    let mut flags: BTreeMap<String, u32> = BTreeMap::new();
    for reading in bench.measured() {
        *quality.entry(reading.quality).or_default() += 1;
        for flag in &reading.flags {
            *flags.entry(format!("{flag:?}")).or_default() += 1;
        }
    }
    let defects: Vec<_> = bench.defects.values().map(|d| (d.code, d.count)).collect();
    format!(
        "{types:?} {quality:?} {flags:?} {defects:?} snapshot {} moving {}",
        bench.largest_snapshot, bench.largest_moving
    )
}

#[test]
fn dump() {
    for (family, name) in [
        (PRO, "biolector-pro/224-MO_Coryne--2019-07-12-16-54-30.csv"),
        (PRO, "biolector-pro/18-HM_CoryneBatch-HM-2018-04-26-07-27-33.csv"),
        (PRO, "biolector-pro/new_metadata_format.csv"),
        (PRO, "biolector-pro/issue24.csv"),
        (PRO, "biolector-pro/issue35.csv"),
        (PRO, "biolector-pro/edited-export-not-raw.csv"),
        (Family::BiolectorOne, "biolector-1/NT_1400rpm_30C_BS15_5min_20180503_132133.csv"),
        (Family::BiolectorOne, "biolector-1/JH_ShakerSteps_20170302_070206.csv"),
        (Family::BiolectorOne, "biolector-1/file_with_no_measurements.csv"),
    ] {
        let Some(bytes) = bytes(name) else { return };
        let bench = decode(family, &bytes);
        println!("{name}: {} {:?}", summary(&bench), bench.refused);
        if let Some(c) = bench.completions().find(|c| !c.complete) {
            println!("   {c:?}");
        }
    }
    let Some(members) = members("biolector-xt/4_BG_test.zip") else { return };
    let bench = decode_export(&members);
    println!("xt: {} {:?}", summary(&bench), bench.refused);
    let bench = decode(Family::BiolectorXt, &members.iter().find(|m| m.0.ends_with("csv")).unwrap().1);
    println!("xt bare: {} {:?}", summary(&bench), bench.refused);
}
