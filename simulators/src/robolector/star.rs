//! A Hamilton STAR and its control software.

use instrument_proto::codec::star::{Code, Fault as Said, Framing, LAST_ID, SLAVE_ERROR, Text};
use instrument_proto::geometry::Position;

use super::batch::Hop;
use super::fault::Fault;
use super::truth::What;
use super::voice::{Side, Stamp, Step, Voice};

/// What a liquid class for water with small volumes makes of a volume: 100 µl become 107.2.
const CORRECTION: f64 = 1.072;

/// How long the robot takes, seconds.
const QUICK: f64 = 0.03;
const TIPS: f64 = 4.0;
const ASPIRATE: f64 = 5.0;
const DISPENSE: f64 = 4.0;
const GRIP: f64 = 8.0;
/// After this the master gives up on a module.
const SLAVE_TIMEOUT: f64 = 300.0;

pub(super) struct Star {
    framing: Framing,
    channels: usize,
    id: u16,
    tip_type_told: bool,
}

/// One number of each channel, of a width.
type Column<'a> = (&'a str, i32, usize);

impl Star {
    pub fn new(framing: Framing, channels: u8) -> Self {
        Self { framing, channels: usize::from(channels), id: 0, tip_type_told: false }
    }

    fn command(&mut self, module: &str, command: &str) -> Text {
        self.id = if self.id >= LAST_ID { 1 } else { self.id + 1 };
        text(module, command, self.id)
    }

    /// The reply that goes with the command that was made last.
    fn reply(&self, module: &str, command: &str, slaves: &[Said]) -> Text {
        let code = if slaves.iter().all(Said::is_ok) { 0 } else { SLAVE_ERROR };
        let own = Said { module: code_of(module), code: Some(code), trace: 0 };
        text(module, command, self.id).report(&own, slaves)
    }

    fn framed(&self, side: Side, text: &Text) -> Vec<u8> {
        framed(&self.framing, side, text.bytes())
    }

    fn step(&self, command: &Text, reply: &Text, takes_s: f64) -> Step {
        Step::new(self.framed(Side::Controller, command), self.framed(Side::Robot, reply), takes_s)
    }

    /// A command of the master without anything to tell, and its reply.
    fn plain(&mut self, command: &str, fill: impl FnOnce(Text) -> Text, takes_s: f64) -> Step {
        let text = fill(self.command("C0", command));
        let reply = self.reply("C0", command, &[]);
        self.step(&text, &reply, takes_s)
    }

    /// Adds a pattern and positions for the channels that take part, with the 0 that stands for those that do not.
    fn placed(&self, text: Text, places: &[(u8, Position)]) -> Text {
        let given = |of: fn(&(u8, Position)) -> i32| self.spread(places, of);
        text.channels("xp", &given(|(_, at)| at.x), 5, self.channels)
            .channels("yp", &given(|(_, at)| at.y), 4, self.channels)
            .channels("tm", &given(|_| 1), 1, self.channels)
    }

    /// One number for each channel up to the last that takes part, 0 for those between, and one 0 more if the machine has more.
    fn spread(&self, places: &[(u8, Position)], of: impl Fn(&(u8, Position)) -> i32) -> Vec<i32> {
        let last = places.iter().map(|(channel, _)| usize::from(*channel)).max().unwrap_or(0);
        let mut numbers = vec![0; (last + 1).min(self.channels)];
        for place in places {
            if let Some(number) = numbers.get_mut(usize::from(place.0).wrapping_sub(1)) {
                *number = of(place);
            }
        }
        numbers
    }

    /// Parameters that are the same for every channel that is named.
    fn same(&self, mut text: Text, places: &[(u8, Position)], columns: &[Column<'_>]) -> Text {
        let count = self.spread(places, |_| 0).len();
        for (name, number, width) in columns {
            text = text.channels(name, &vec![*number; count], *width, self.channels);
        }
        text
    }

    fn volumes(&self, hops: &[Hop]) -> Vec<i32> {
        let places = sources(hops);
        self.spread(&places, |(channel, _)| {
            let hop = hops.iter().find(|hop| hop.channel == *channel);
            hop.map_or(0, |hop| tenths(self.piston_ul(hop.transfer.volume_ul)))
        })
    }
}

fn text(module: &str, command: &str, id: u16) -> Text {
    Text::new(code_of(module), code_of(command), Some(id))
}

/// The code of a name that stands in this file.
fn code_of(name: &str) -> Code {
    match Code::new(name.as_bytes()) {
        Some(code) => code,
        None => unreachable!("{name} is a code"),
    }
}

/// Mark, text and terminator.
pub(super) fn framed(framing: &Framing, side: Side, text: &[u8]) -> Vec<u8> {
    let mut bytes = match (&framing.marks, side) {
        (None, _) => Vec::new(),
        (Some(marks), Side::Controller) => marks.command.clone(),
        (Some(marks), Side::Robot) => marks.reply.clone(),
    };
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(framing.terminator.bytes());
    bytes
}

fn sources(hops: &[Hop]) -> Vec<(u8, Position)> {
    hops.iter().map(|hop| (hop.channel, hop.from)).collect()
}

fn tenths(ul: f64) -> i32 {
    (ul * 10.0).round() as i32
}

/// What the master says of channels: those that failed, and that the others are well.
fn slaves(hops: &[Hop], failed: &[(u8, Fault)]) -> Vec<Said> {
    if failed.is_empty() {
        return Vec::new();
    }
    hops.iter()
        .filter_map(|hop| {
            let fault = failed.iter().find(|(channel, _)| *channel == hop.channel).map(|(_, fault)| *fault);
            let (code, trace) = match fault {
                None => (0, 0),
                Some(Fault::Clot) => (4, 81),
                Some(Fault::TooLittleLiquid) => (6, 71),
                Some(Fault::NoTip) => (8, 75),
                // What is left is a module that the master waited for in vain.
                Some(_) => (2, 11),
            };
            Some(Said { module: Code::of_channel(hop.channel)?, code: Some(code), trace })
        })
        .collect()
}

impl Voice for Star {
    fn opening(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (command, data) in [
            ("RM", "kb01kp08"),
            ("QM", "ka010400xt30xa30xw08000xr00xm0000xx00000xu0000xv0000kl0kc0kr0ys000"),
            ("RF", "rf7.6S 35 2009-06-24 A"),
            ("QW", "qw1"),
            ("RT", "rt0 0 0 0 0 0 0 0"),
        ] {
            let text = self.command("C0", command);
            // Names of two letters stand at the beginning of what is answered.
            let (name, value) = data.split_at(2);
            let reply = self.reply("C0", command, &[]).raw(name, value);
            steps.push(self.step(&text, &reply, QUICK));
        }
        steps
    }

    fn restart(&mut self) {
        self.id = 0;
        self.tip_type_told = false;
    }

    fn query(&mut self) -> Step {
        let text = self.command("C0", "QW");
        let reply = self.reply("C0", "QW", &[]).raw("qw", "1");
        self.step(&text, &reply, QUICK)
    }

    fn pick_up(&mut self, hops: &[Hop], tips: &[Position], failed: &[u8], truth: Vec<What>) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.tip_type_told {
            self.tip_type_told = true;
            let fill = |text: Text| {
                let text = text.number("tt", 1, 2).number("tf", 1, 1).number("tl", 519, 4);
                text.number("tv", 3600, 5).number("tg", 2, 1).number("tu", 0, 1)
            };
            steps.push(self.plain("TT", fill, QUICK));
        }
        let places: Vec<(u8, Position)> = hops.iter().zip(tips).map(|(hop, tip)| (hop.channel, *tip)).collect();
        let text = self.command("C0", "TP");
        let text = self.placed(text, &places).number("tt", 1, 2).number("tp", 2244, 4).number("tz", 2164, 4);
        let text = text.number("th", 2450, 4).number("td", 0, 1);
        let failed: Vec<(u8, Fault)> = failed.iter().map(|channel| (*channel, Fault::NoTip)).collect();
        let reply = self.reply("C0", "TP", &slaves(hops, &failed));
        steps.push(self.step(&text, &reply, TIPS).with(truth));
        steps
    }

    fn aspirate(&mut self, hops: &[Hop], failed: &[(u8, Fault)], truth: Vec<What>) -> Vec<Step> {
        let places = sources(hops);
        let text = self.command("C0", "AS");
        let text = self.same(text, &places, &[("at", 0, 1)]);
        let text = self.placed(text, &places).number("th", 2450, 4).number("te", 2450, 4);
        let text = self.same(
            text,
            &places,
            &[
                ("lp", 2000, 4),
                ("ch", 0, 3),
                ("zl", 1866, 4),
                ("po", 100, 4),
                ("zu", 32, 4),
                ("zr", 6180, 5),
                ("zx", 1866, 4),
                ("ip", 0, 4),
                ("it", 0, 1),
                ("fp", 0, 4),
            ],
        );
        let text = text.channels("av", &self.volumes(hops), 5, self.channels);
        let text = self.same(
            text,
            &places,
            &[
                ("as", 1000, 4),
                ("ta", 0, 3),
                ("ba", 0, 4),
                ("oa", 0, 3),
                ("lm", 0, 1),
                ("ll", 1, 1),
                ("lv", 1, 1),
                ("zo", 0, 3),
                ("ld", 0, 2),
                ("de", 20, 4),
                ("wt", 10, 2),
                ("mv", 0, 5),
                ("mc", 0, 2),
                ("mp", 0, 3),
                ("ms", 1000, 4),
                ("mh", 0, 4),
                ("gi", 0, 3),
            ],
        );
        let text = text.raw("gj", "0").raw("gk", "0");
        let text = self.same(
            text,
            &places,
            &[("lk", 0, 1), ("ik", 0, 4), ("sd", 500, 4), ("se", 500, 4), ("sz", 300, 4), ("io", 0, 4)],
        );
        let reply = self.reply("C0", "AS", &slaves(hops, failed));
        let late = failed.iter().any(|(_, fault)| *fault == Fault::SlaveTimeout);
        let mut step = self.step(&text, &reply, if late { SLAVE_TIMEOUT } else { ASPIRATE }).with(truth);
        step.faults.extend(late.then_some(Fault::SlaveTimeout));
        vec![step]
    }

    fn dispense(&mut self, hops: &[Hop], truth: Vec<What>) -> Vec<Step> {
        let places: Vec<(u8, Position)> = hops.iter().map(|hop| (hop.channel, hop.to)).collect();
        let text = self.command("C0", "DS");
        let text = self.same(text, &places, &[("dm", 1, 1)]);
        let text = self.placed(text, &places);
        let text = self.same(
            text,
            &places,
            &[
                ("zx", 1866, 4),
                ("lp", 2000, 4),
                ("zl", 1866, 4),
                ("po", 100, 4),
                ("ip", 0, 4),
                ("it", 0, 1),
                ("fp", 0, 4),
                ("zu", 32, 4),
                ("zr", 6180, 5),
            ],
        );
        let text =
            text.number("th", 2450, 4).number("te", 2450, 4).channels("dv", &self.volumes(hops), 5, self.channels);
        let text = self.same(
            text,
            &places,
            &[
                ("ds", 1800, 4),
                ("ss", 50, 4),
                ("rv", 0, 3),
                ("ta", 50, 3),
                ("ba", 300, 4),
                ("lm", 0, 1),
                ("dj", 0, 2),
                ("zo", 0, 3),
                ("ll", 1, 1),
                ("lv", 1, 1),
                ("de", 10, 4),
                ("wt", 0, 2),
                ("mv", 0, 5),
                ("mc", 0, 2),
                ("mp", 0, 3),
                ("ms", 10, 4),
                ("mh", 0, 4),
                ("gi", 0, 3),
            ],
        );
        let text = text.raw("gj", "0").raw("gk", "0");
        let reply = self.reply("C0", "DS", &[]);
        vec![self.step(&text, &reply, DISPENSE).with(truth)]
    }

    fn drop_tips(&mut self, channels: &[u8], waste: Position, truth: Vec<What>) -> Vec<Step> {
        // Side by side along the waste.
        let places: Vec<(u8, Position)> = channels
            .iter()
            .map(|channel| (*channel, Position { x: waste.x, y: waste.y + 360 - i32::from(*channel) * 90 }))
            .collect();
        let text = self.command("C0", "TR");
        let text = self.placed(text, &places).number("tz", 1870, 4).number("th", 2450, 4).number("te", 2450, 4);
        let text = text.number("ti", 0, 1);
        let reply = self.reply("C0", "TR", &[]);
        vec![self.step(&text, &reply, TIPS).with(truth)]
    }

    fn grip(&mut self, at: Position, truth: Vec<What>) -> Vec<Step> {
        let fill = |text: Text| {
            let text = text.number("xs", at.x, 5).number("xd", 0, 1).number("yj", at.y, 4).number("yd", 0, 1);
            let text = text.number("zj", 1874, 4).number("zd", 0, 1).number("gr", 1, 1).number("th", 2800, 4);
            let text = text.number("te", 2800, 4).number("gw", 4, 1).number("go", 1308, 4).number("gb", 1245, 4);
            text.number("gt", 20, 2).number("ga", 0, 1).number("gc", 0, 1)
        };
        vec![self.plain("PP", fill, GRIP).with(truth)]
    }

    fn release(&mut self, at: Position, truth: Vec<What>) -> Vec<Step> {
        let fill = |text: Text| {
            let text = text.number("xs", at.x, 5).number("xd", 0, 1).number("yj", at.y, 4).number("yd", 0, 1);
            let text = text.number("zj", 1874, 4).number("zd", 0, 1).number("th", 2800, 4).number("te", 2800, 4);
            text.number("gr", 1, 1).number("go", 1308, 4).number("ga", 0, 1).number("gc", 0, 1)
        };
        vec![self.plain("PR", fill, GRIP).with(truth)]
    }

    fn stamp(&mut self, stamp: Stamp, late: bool, truth: [Vec<What>; 2]) -> Vec<Step> {
        let [aspirated, dispensed] = truth;
        let at = |text: Text, at: Position| text.number("xs", at.x, 5).number("xd", 0, 1).number("yh", at.y, 4);
        let volume = tenths(self.piston_ul(stamp.volume_ul));
        let mut steps = Vec::new();
        let fill = |text| at(text, stamp.tips).raw("tt01wu0za2164zh2450ze", "2450");
        steps.push(self.plain("EP", fill, TIPS));
        let text = at(self.command("C0", "EA").number("aa", 0, 1), stamp.from);
        let text =
            text.raw("zh2450ze2450lz1999zt1866pp0100zm1866zv0032zq06180iw000ix0fh", "000").number("af", volume, 5);
        let text = text.raw(
            "ag2500vt050bv00000wv00050cm0cs1bs0020wh10hv00000hc00hp000mj000hs1200cwFFFFFFFFFFFFFFFFFFFFFFFFcr000cj0cx",
            "0",
        );
        let head = |code, trace| Said { module: code_of("H0"), code: Some(code), trace };
        if late {
            let reply = self.reply("C0", "EA", &[head(2, 11)]);
            steps.push(self.step(&text, &reply, SLAVE_TIMEOUT));
            let busy = [head(1, 40)];
            for slaves in [&busy[..], &busy[..], &[]] {
                let text = self.command("C0", "EV");
                let reply = self.reply("C0", "EV", slaves);
                steps.push(self.step(&text, &reply, ASPIRATE));
            }
        } else {
            let reply = self.reply("C0", "EA", &[]);
            steps.push(self.step(&text, &reply, ASPIRATE));
        }
        if let Some(last) = steps.last_mut() {
            last.truth = aspirated;
        }
        let text = at(self.command("C0", "ED").number("da", 3, 1), stamp.to);
        let text =
            text.raw("zm1866zv0032zq06180lz1999zt1866pp0100iw000ix0fh000zh2450ze", "2450").number("df", volume, 5);
        let text = text.raw("dg1200es0050ev000vt050bv00000cm0cs1ej00bs0020wh00hv00000hc00hp000mj000hs1200cwFFFFFFFFFFFFFFFFFFFFFFFFcr000cj0cx", "0");
        let reply = self.reply("C0", "ED", &[]);
        steps.push(self.step(&text, &reply, DISPENSE).with(dispensed));
        let fill = |text| at(text, stamp.waste).raw("za2164zh2450ze", "2450");
        steps.push(self.plain("ER", fill, TIPS));
        steps
    }

    fn piston_ul(&self, volume_ul: f64) -> f64 {
        (volume_ul * CORRECTION * 10.0).round() / 10.0
    }
}
