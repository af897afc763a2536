mod cuts;

use std::time::Duration;

use super::*;
use crate::driver::{Effects, Sees, StreamInput, Timer, TimerChange};
use crate::event::device::Faulted;
use crate::event::{Body, Event, EventSource, Key, Subject, TimeQuality};

/// Makes an event of every input.
#[derive(Default)]
struct Teller {
    count: u64,
}

impl Driver for Teller {
    fn handle(&mut self, input: Input<'_>, now: Timestamp, effects: &mut Effects) {
        let text = match input {
            Input::Stream(_, StreamInput::Opened { epoch, resumed: false, .. }) => format!("opened {epoch}"),
            Input::Stream(source, StreamInput::Bytes { direction, offset, bytes, .. }) => {
                let timer = Timer { source: source.clone(), name: "reply" };
                effects.timers.push(TimerChange::Set(timer, Duration::from_secs(10)));
                format!("{direction:?} {offset} {}", String::from_utf8_lossy(bytes))
            }
            Input::Stream(_, StreamInput::Closed { reason }) => format!("closed {reason}"),
            Input::Stream(_, StreamInput::Lost { reason }) => format!("lost {reason}"),
            Input::Timer(timer) => format!("{} at {now}", timer.name),
            other => format!("{other:?}"),
        };
        self.count += 1;
        effects.events.push(Event {
            body: Body::DeviceFaulted(Faulted { code: "test".to_owned(), text, remedy: None }),
            key: Key::Text(self.count.to_string()),
            run: None,
            cycle: None,
            closes: false,
            subject: Subject::Device,
            time: Some(now),
            time_quality: TimeQuality::Observed,
            revision: 1,
            reason: None,
            causation: None,
            offset: None,
            alike: None,
        });
    }
}

fn replayed(text: &str, kind: Kind) -> Result<(Vec<String>, Replayed), ReplayError> {
    replayed_together(&[text], kind)
}

/// Files of one recording.
fn replayed_together(texts: &[&str], kind: Kind) -> Result<(Vec<String>, Replayed), ReplayError> {
    let folder = tempfile::tempdir().expect("a folder");
    let (site, device) = ("lab".parse().expect("a name"), "robot".parse().expect("a name"));
    let origin = Origin {
        source: EventSource::new(&site, &device),
        partition: device,
        ingest: Ingest::Backfill,
        position: None,
    };
    let mut out = Vec::new();
    let mut replay = Replay::new(kind, Box::new(|| Box::<Teller>::default()), &[], origin, &mut out);
    for (number, text) in texts.iter().enumerate() {
        let file = folder.path().join(number.to_string());
        std::fs::write(&file, text).expect("written");
        replay.read(&file, &mut |_, _| {})?;
    }
    replay.end()?;
    let replayed = replay.found();
    drop(replay);
    let lines = String::from_utf8(out).expect("text");
    let said = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        event["data"]["text"].as_str().expect("a text").to_owned()
    };
    Ok((lines.lines().map(said).collect(), replayed))
}

fn tap() -> Kind {
    Kind::Stream("serial", Mode::Listen { sees: Sees::Both })
}

#[test]
fn a_capture_is_replayed_with_its_epochs_timers_and_losses() {
    let text = "#instrumentd-capture 1 device=robot link=serial\n\
        2026-03-02T07:00:00.000000Z ! opened 0190\n\
        2026-03-02T07:00:01.000000Z > 0 C0RF\n\
        2026-03-02T07:00:02.000000Z < 4 C0RFid\n\
        this is nothing\n\
        2026-03-02T07:00:20.000000Z ! lost 7 bytes\n\
        2026-03-02T07:00:21.000000Z ! closed pulled\n\
        2026-03-02T07:00:22.000000Z = 5 x\n";
    let (said, replayed) = replayed(text, tap()).expect("a capture");
    let wanted = [
        "opened 0190",
        "ToInstrument 0 C0RF",
        "FromInstrument 4 C0RFid",
        "lost the capture cannot be read here",
        "reply at 2026-03-02T07:00:12Z",
        "lost 7 bytes",
        "closed pulled",
        "opened capture-1772434822000000",
        "Either 5 x",
        "closed the capture ends here",
    ];
    assert_eq!(said, wanted);
    let summary = replayed.to_string();
    assert!(summary.starts_with("10 events\n  device.faulted: 10\nopenings of the link: 2\n"), "{summary}");
    assert!(summary.contains("gap: 2026-03-02T07:00:20Z: 7 bytes\nunreadable: line 5: "), "{summary}");
}

#[test]
fn the_next_file_of_a_recording_goes_on_in_its_opening() {
    let header = "#instrumentd-capture 1 device=robot link=serial\n";
    let first = format!("{header}2026-03-02T07:00:00.000000Z ! opened e\n2026-03-02T07:00:01.000000Z > 0 C0RF\n");
    let second = format!("{header}2026-03-02T07:00:02.000000Z < 4 C0RFid\n");
    let (said, replayed) = replayed_together(&[&first, &second], tap()).expect("captures");
    let wanted = ["opened e", "ToInstrument 0 C0RF", "FromInstrument 4 C0RFid", "closed the capture ends here"];
    assert_eq!((said.as_slice(), replayed.openings), (&wanted.map(str::to_owned)[..], 1));
    // One in which nothing happened yet is one all the same.
    assert!(replayed_together(&[header], tap()).is_ok());
}

#[test]
fn members_and_heads_of_files_come_back_whole() {
    let text = "2026-03-02T07:00:00.000000Z ! @runs/a opened export\n\
        2026-03-02T07:00:00.000000Z < @runs/a!a.meta 0 one\n\
        2026-03-02T07:00:00.000000Z < @runs/a!a.meta 3 two\n\
        2026-03-02T07:00:00.000000Z < @runs/a 0 table\n\
        2026-03-02T07:00:01.000000Z < @runs/a! 0 head\n\
        2026-03-02T07:00:02.000000Z ! @runs/a closed ended\n";
    let (said, _) = replayed(text, Kind::Files).expect("a capture");
    assert_eq!(said.len(), 5, "{said:#?}");
    for (said, wanted) in said.iter().zip(["Export", "Member { name: \"a.meta\"", "Bytes", "Head", "Ended"]) {
        assert!(said.contains(wanted), "{said}");
    }
    assert!(said[1].contains(&format!("{:?}", b"onetwo")), "{}", said[1]);
}

#[test]
fn what_is_no_capture_is_refused() {
    assert!(matches!(replayed("some text\nand more\n", tap()), Err(ReplayError::NoCapture)));
    assert!(matches!(replayed("", tap()), Err(ReplayError::NoCapture)));
}

#[test]
fn a_host_is_not_given_what_it_wrote_itself() {
    let text = "2026-03-02T07:00:00.000000Z ! opened e\n2026-03-02T07:00:01.000000Z > 0 C0RF\n";
    let (said, _) = replayed(text, Kind::Stream("serial", Mode::Host)).expect("a capture");
    assert_eq!(said, ["opened e", "closed the capture ends here"]);
}
