//! Reading by reading against a plain parser that shares no code with the codec.

use std::collections::{BTreeMap, BTreeSet};

use super::support::{bytes, decode, decode_export, members};
use crate::event::cultivation::Measured;
use crate::profile::Family;

/// Cycle, filter set, well, seconds, raw amplitude, phase.
type Plain = (u32, u32, String, f64, Option<f64>, Option<f64>);

fn raw(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|v| v.is_finite() && *v != -9999.0 && v.abs() < 1e5)
}

/// Serpentine from the header's own table for the Pro, labels for the XT.
fn plain_table(text: &str, pro: bool) -> Vec<Plain> {
    let mut wells = BTreeMap::new();
    let (mut seen, mut out) = (BTreeSet::new(), Vec::new());
    for line in text.lines() {
        if let Some((number, label)) = line.strip_prefix('[').and_then(|l| l.split_once("_well] "))
            && number.len() == 3
        {
            wells.insert(number.to_owned(), label.trim().to_owned());
        }
        let f: Vec<&str> = line.split(';').collect();
        let glued = f.iter().any(|cell| cell.matches('.').count() > 1);
        if f[0] != "M" || f.len() < 20 || glued || line.contains(|c: char| c.is_control()) {
            continue;
        }
        let well = if pro { wells[f[2]].clone() } else { f[2].to_owned() };
        let (cycle, set) = (f[1].parse().expect("cycle"), f[3].parse().expect("filter set"));
        if seen.insert((cycle, set, well.clone())) {
            out.push((cycle, set, well, f[4].parse().expect("time"), raw(f[5]), raw(f[9])));
        }
    }
    out
}

fn plain_one(text: &str) -> Vec<Plain> {
    let mut out = Vec::new();
    for line in text.lines() {
        let f: Vec<&str> = line.split(';').collect();
        let Some(cycle) = f[0].strip_prefix('C').and_then(|n| n.parse().ok()) else { continue };
        let hours: f64 = f[5].parse().expect("hours");
        let seconds = (hours * 3_600_000.0).round() / 1000.0;
        out.push((cycle, f[4].parse().expect("filter set"), f[1].to_owned(), seconds, raw(f[6]), raw(f[7])));
    }
    out
}

fn assert_equal<'a>(measured: impl Iterator<Item = &'a Measured>, plain: &[Plain]) {
    let measured: Vec<&Measured> = measured.collect();
    assert_eq!(measured.len(), plain.len());
    for (m, p) in measured.iter().zip(plain) {
        let one = (m.cycle, m.filterset, m.well.to_string(), m.elapsed_s, m.amplitude, m.phase_deg);
        assert_eq!(&one, p);
    }
}

#[test]
fn pro_files() {
    for (name, count) in [
        ("224-MO_Coryne--2019-07-12-16-54-30.csv", 576),
        ("18-HM_CoryneBatch-HM-2018-04-26-07-27-33.csv", 14_592),
        ("new_metadata_format.csv", 96),
        ("issue24.csv", 576),
        ("issue35.csv", 570),
    ] {
        let Some(bytes) = bytes(&format!("biolector-pro/{name}")) else { return };
        let plain = plain_table(&String::from_utf8_lossy(&bytes), true);
        assert_eq!(plain.len(), count, "{name}");
        assert_equal(decode(Family::BiolectorPro, &bytes).measured(), &plain);
    }
}

#[test]
fn biolector_one_files() {
    for name in ["NT_1400rpm_30C_BS15_5min_20180503_132133.csv", "JH_ShakerSteps_20170302_070206.csv"] {
        let Some(bytes) = bytes(&format!("biolector-1/{name}")) else { return };
        let plain = plain_one(&String::from_utf8_lossy(&bytes));
        assert_equal(decode(Family::BiolectorOne, &bytes).measured(), &plain);
    }
}

#[test]
fn xt_export() {
    let Some(members) = members("biolector-xt/4_BG_test.zip") else { return };
    let table = &members.iter().find(|(name, _)| name.ends_with(".csv")).expect("there").1;
    let plain = plain_table(&String::from_utf8_lossy(table), false);
    assert_eq!(plain.len(), 60_864);
    assert_equal(decode_export(&members).measured(), &plain);
}
