//! The BioLector driver against the simulator's list of what it wrote: each model with each of its quirks.

mod growing;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

use instrumentd::event::EventType;
use instrumentd::event::cultivation::{Measured, Quality, ReadingFlag};
use instrumentd_simulators::biolector::{Columns, Condition, Model, Quirk, Reading, Settings};

use reader::{Reader, Written, write};

type Key = (u32, u32, String);

/// The families, the Pro in both generations of its column names.
const MODELS: [(Model, Columns); 4] =
    [(Model::Pro, Columns::Old), (Model::Pro, Columns::New), (Model::Xt, Columns::New), (Model::One, Columns::New)];

const SEEDS: [u64; 3] = [1, 7, 2026];

/// Four cycles of all six filter sets, with a pause in the second and the fourth.
fn settings((model, columns): (Model, Columns), quirks: &[Quirk], seed: u64) -> Settings {
    Settings {
        model,
        columns,
        seed,
        cycles: 4,
        filtersets: 6,
        wells: 48,
        growth_hours: 0.5,
        pause_every: Some(2),
        quirks: quirks.iter().copied().collect(),
        ..Settings::default()
    }
}

/// Every model with every quirk that it has, and with none.
fn cases() -> impl Iterator<Item = (Settings, Option<Quirk>)> {
    MODELS.into_iter().flat_map(|model| {
        let quirks = Quirk::ALL.iter().copied().filter(move |quirk| quirk.models().contains(&model.0)).map(Some);
        quirks
            .chain([None])
            .flat_map(move |quirk| SEEDS.into_iter().map(move |seed| (settings(model, quirk.as_slice(), seed), quirk)))
    })
}

fn key(reading: &Reading) -> Key {
    (reading.cycle, reading.filterset, reading.well.clone())
}

fn key_of(measured: &Measured) -> Key {
    (measured.cycle, measured.filterset, measured.well.to_string())
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 0.005_001,
        (a, b) => a == b,
    }
}

/// Raw figures as the instrument read them; for a reading without any, that it is not called sound.
fn says_the_same(measured: &Measured, reading: &Reading) -> bool {
    let time = (measured.elapsed_s - f64::from(reading.time)).abs() < 0.5;
    let valued = measured.quality != Quality::Overload && measured.quality != Quality::NotANumber;
    time && close(measured.amplitude, reading.amplitude)
        && (reading.amplitude.is_none() || close(measured.phase_deg, reading.phase))
        && valued == reading.amplitude.is_some()
}

/// Tells all that is different instead of stopping at the first, so that a failure tells the whole story.
#[test]
fn every_reading_is_told_once_as_the_instrument_wrote_it() {
    let mut wrong = Vec::new();
    for (settings, quirk) in cases() {
        let written = write(settings.clone());
        let read = Reader::whole(settings.model, &written);
        let name = format!(
            "{} {:?} {} seed {}",
            settings.model.name(),
            settings.columns,
            quirk.map_or("clean", Quirk::name),
            settings.seed
        );
        wrong.extend(differences(&written, &read).into_iter().map(|what| format!("{name}: {what}")));
        wrong.extend(against_quirk(&settings, quirk, &read).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// What is told otherwise than it was made, in words.
fn differences(written: &Written, read: &Reader) -> Vec<String> {
    let mut wrong = Vec::new();
    // What is filed under the next filter set may stand there beside that one's own row: the first makes the event, the
    // other one stands in the cycle's end.
    let mut made = BTreeMap::<Key, &Reading>::new();
    for reading in &written.readings {
        let first = *made.entry(key(reading)).or_insert(reading);
        let listed = read.completed().get(&reading.cycle).is_some_and(|completed| {
            completed.duplicate_rows.iter().any(|row| {
                (row.filterset, row.well.to_string(), row.conflict) == (reading.filterset, reading.well.clone(), true)
                    && close(row.amplitude, reading.amplitude)
            })
        });
        if !std::ptr::eq(first, reading) && !listed {
            wrong.push(format!("not listed as a further row: {reading:?}"));
        }
    }
    let mut told = BTreeMap::new();
    for measured in read.measured() {
        if told.insert(key_of(measured), measured).is_some() {
            wrong.push(format!("told twice: {:?}", key_of(measured)));
        }
    }
    wrong.extend(told.keys().filter(|key| !made.contains_key(*key)).map(|key| format!("invented: {key:?}")));
    for (key, reading) in &made {
        let Some(measured) = told.get(key) else {
            if reading.condition != Condition::Damaged {
                wrong.push(format!("missing: {reading:?}"));
            }
            continue;
        };
        if !says_the_same(measured, reading)
            && (reading.condition != Condition::Damaged || measured.quality == Quality::Ok)
        {
            wrong.push(format!("{reading:?} is told as {measured:?}"));
        }
        let misfiled = measured.flags.contains(&ReadingFlag::MisfiledWell);
        if misfiled != (reading.condition == Condition::Misfiled) || (misfiled && measured.quality != Quality::Suspect)
        {
            wrong.push(format!("{reading:?} is told with {:?} and {:?}", measured.quality, measured.flags));
        }
        if measured.flags.contains(&ReadingFlag::Disagrees) && reading.condition == Condition::Sound {
            wrong.push(format!("{reading:?} disagrees with {measured:?}"));
        }
    }
    // What a cycle's end lists as missing is what nothing was told of.
    for (cycle, completed) in read.completed() {
        for channel in &completed.channels {
            let missing: BTreeSet<String> = channel.missing_wells.iter().map(ToString::to_string).collect();
            let seen = told.keys().filter(|(c, f, _)| (*c, *f) == (cycle, channel.filterset));
            let seen: BTreeSet<&String> = seen.map(|(_, _, well)| well).collect();
            if missing.iter().any(|well| seen.contains(well))
                || seen.len() != channel.seen as usize
                || channel.seen as usize + missing.len() != channel.expected as usize
            {
                wrong.push(format!("cycle {cycle}: {channel:?} but {} seen", seen.len()));
            }
        }
    }
    wrong
}

/// What a quirk is to leave behind in the cycles' ends, the summary and the run's end.
fn against_quirk(settings: &Settings, quirk: Option<Quirk>, read: &Reader) -> Vec<String> {
    let mut wrong = Vec::new();
    let expected: &[&str] = match quirk {
        Some(Quirk::HeaderRestart) => &["header-restart", "placeholder-values", "stale-copy"],
        Some(Quirk::DuplicateRows) => &["duplicate-row"],
        Some(Quirk::SplicedBlock) => &["duplicate-row"],
        Some(Quirk::TornLine | Quirk::StrayBytes) => &["torn-line"],
        Some(Quirk::CycleJump) => &["cycle-jump"],
        Some(Quirk::LastWellBug) => &["duplicate-row", "misfiled-well"],
        _ => &[],
    };
    let found: Vec<&str> = read.defects.keys().copied().collect();
    if found != expected {
        wrong.push(format!("defects {:?}, not {expected:?}", read.defects));
    }
    let duplicates: usize = read.completed().values().map(|completed| completed.duplicate_rows.len()).sum();
    let made = match quirk {
        Some(Quirk::DuplicateRows) => 3,
        Some(Quirk::SplicedBlock) => 5,
        Some(Quirk::LastWellBug) => settings.cycles as usize,
        _ => 0,
    };
    if duplicates != made {
        wrong.push(format!("{duplicates} further rows listed, not {made}"));
    }
    let missing: usize = read.completed().values().flat_map(|c| &c.channels).map(|c| c.missing_wells.len()).sum();
    let wells = settings.well_count() as usize;
    let unended = quirk == Some(Quirk::NoEnd);
    let all = settings.cycles as usize * settings.filtersets as usize * wells;
    let open = if unended { 0 } else { all.saturating_sub(read.measured().len()) };
    if !unended && missing != open {
        wrong.push(format!("{missing} wells listed as missing, not {open}"));
    }
    let ends = (read.count(EventType::CultivationCompleted), read.count(EventType::CultivationStopped));
    let restarts = settings.model == Model::Pro && quirk == Some(Quirk::HeaderRestart);
    let told_end = !unended && !restarts;
    if ends != (usize::from(told_end), 0) {
        wrong.push(format!("completed and stopped: {ends:?}"));
    }
    if read.rereads > 0 {
        wrong.push(format!("wants to read again {} times", read.rereads));
    }
    if read.completed().len() != settings.cycles as usize - usize::from(unended) {
        wrong.push(format!("{} cycles completed", read.completed().len()));
    }
    wrong
}

/// Bytes come in any pieces, and the daemon may end behind any of them.
#[test]
fn pieces_and_restarts_change_no_event() {
    for (settings, quirk) in cases().filter(|(settings, _)| settings.seed == SEEDS[1]) {
        // Fewer cycles and filter sets: a restart for every piece is slow.
        let settings = Settings { cycles: 3, filtersets: 3, ..settings };
        let written = write(settings.clone());
        let whole = Reader::whole(settings.model, &written).rendered();
        let mut random = fastrand::Rng::with_seed(settings.seed);
        for restarts in [false, true] {
            let size = |_, _| if random.bool() { random.usize(1..80) } else { random.usize(1..20_000) };
            let read = Reader::pieces(settings.model, &written, size, restarts);
            let rendered = read.rendered();
            let first =
                whole.iter().zip(&rendered).position(|(a, b)| a != b).unwrap_or(whole.len().min(rendered.len()));
            assert!(
                whole == rendered && read.rereads == 0,
                "{} {quirk:?} restarts {restarts}: {} and {} events, the first that differs is\n{:?}\n{:?}",
                settings.model.name(),
                whole.len(),
                rendered.len(),
                whole.get(first),
                rendered.get(first),
            );
        }
    }
}
