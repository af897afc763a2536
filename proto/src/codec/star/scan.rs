//! Finds frames in a stream of bytes that comes in any pieces.

use serde::{Deserialize, Serialize};

use super::frame::{Damage, Frame, Side, next_start};

/// Bytes of one frame that are held; the longest real one, an aspiration with 16 channels, has under 2 KiB. One that has more comes out as
/// [`Damage::TooLong`] as soon as it is full, since its end may never come; the rest of it, to its end, is dropped.
pub const MAX_FRAME: usize = 8 * 1024;

/// How frames end. On USB, the robot's own line, a frame is a packet; whoever carries it over a serial line or into a file chose one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terminator {
    /// Reading, any of the others' bytes; CR and LF are written.
    Any,
    /// Carriage return. Reading, CR and LF alike end a frame, since none holds either; this is what is written.
    Cr,
    /// Line feed; as for [`Terminator::Cr`].
    Lf,
    /// Both; as for [`Terminator::Cr`].
    CrLf,
    /// A zero byte.
    Nul,
    /// Nothing: silence on the line, of which the caller tells with [`Scanner::gap`].
    Gap,
}

impl Terminator {
    /// What is written after a frame.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::Cr => b"\r",
            Self::Lf => b"\n",
            Self::CrLf | Self::Any => b"\r\n",
            Self::Nul => b"\0",
            Self::Gap => b"",
        }
    }

    /// Where the next frame ends.
    fn find(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Cr | Self::Lf | Self::CrLf => memchr::memchr2(b'\r', b'\n', bytes),
            Self::Any => memchr::memchr3(b'\r', b'\n', 0, bytes),
            Self::Nul => memchr::memchr(0, bytes),
            Self::Gap => None,
        }
    }
}

/// What stands before each frame to say who sent it: `>` and `<`, or a controller's trace words such as `PC->` and `->PC`.
///
/// Whatever stands before the mark in a line, a time for instance, is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marks {
    /// Before commands.
    pub command: Vec<u8>,
    /// Before replies.
    pub reply: Vec<u8>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { command: b">".to_vec(), reply: b"<".to_vec() }
    }
}

/// How frames stand on a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Framing {
    /// What ends them.
    pub terminator: Terminator,
    /// What precedes them, where something does.
    pub marks: Option<Marks>,
}

impl Default for Framing {
    fn default() -> Self {
        Self { terminator: Terminator::CrLf, marks: None }
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// Bytes that are none; the first [`MAX_FRAME`] of them.
    Damaged {
        /// The bytes, without terminator.
        bytes: &'a [u8],
        /// Why they are none.
        why: Damage,
    },
}

/// Finds frames; holds back what has no end yet.
#[derive(Debug, Clone)]
pub struct Scanner {
    framing: Framing,
    side: Option<Side>,
    held: Vec<u8>,
    dropped: bool,
    /// Whether it was said that what is held is too long.
    told: bool,
}

impl Scanner {
    /// A scanner for a line on which `side` alone speaks, or both where it is `None`.
    pub fn new(framing: Framing, side: Option<Side>) -> Self {
        Self { framing, side, held: Vec::new(), dropped: false, told: false }
    }

    /// How frames stand on its line.
    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Takes the next bytes and gives each frame that they complete to `each`. Frames are borrowed from `bytes` where they lie in it whole.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Item<'_>)) {
        while let Some(end) = self.framing.terminator.find(bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.held.is_empty() && !self.dropped && line.len() <= MAX_FRAME {
                self.line(line, true, &mut each);
            } else {
                self.hold(line);
                self.take_held(&mut each);
            }
        }
        if self.framing.terminator == Terminator::Gap {
            self.hold_and_release(bytes, &mut each);
        } else {
            self.hold(bytes);
            self.tell_too_long(&mut each);
        }
    }

    /// Says that the line fell silent, and that silence ends a frame: what is held is read as one. For lines without a terminator; one whose
    /// pieces may come late must not be told so.
    pub fn gap(&mut self, mut each: impl FnMut(Item<'_>)) {
        self.take_held(&mut each);
    }

    /// Says that bytes are missing here, or that the line is another one: what is half read does not count. Gives it back, should somebody
    /// want to tell how much it was.
    pub fn cut(&mut self) -> usize {
        let held = self.held.len();
        self.held.clear();
        self.dropped = false;
        self.told = false;
        held
    }

    /// What has no end yet, at most [`MAX_FRAME`] bytes; a scanner [`Scanner::resume`]d with it goes on as this one would.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Goes on after what another scanner had [`Scanner::held`].
    pub fn resume(&mut self, held: &[u8]) {
        self.cut();
        self.hold(held);
        // One that is full was told of.
        self.dropped = self.held.len() == MAX_FRAME;
        self.told = self.dropped;
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = MAX_FRAME.saturating_sub(self.held.len());
        let kept = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.held.extend_from_slice(kept);
        self.dropped |= kept.len() < bytes.len();
    }

    /// Holds bytes of a line without terminators. In a burst without any silence a frame ends where the next one begins: those are given before
    /// there is no room left.
    fn hold_and_release(&mut self, bytes: &[u8], each: &mut impl FnMut(Item<'_>)) {
        const ENOUGH: usize = MAX_FRAME / 2;
        for part in bytes.chunks(ENOUGH) {
            self.hold(part);
            if self.held.len() <= ENOUGH || self.dropped {
                continue;
            }
            let mut last = None;
            while let Some(start) = next_start(&self.held, last.map_or(1, |start| start + 1)) {
                last = Some(start);
            }
            let Some(mut last) = last else { continue };
            if let Some(marks) = &self.framing.marks {
                let before = self.held.get(..last).unwrap_or_default().trim_ascii_end();
                if let Some(mark) = [&marks.command, &marks.reply].into_iter().find(|mark| before.ends_with(mark)) {
                    last = before.len() - mark.len();
                }
            }
            let mut held = std::mem::take(&mut self.held);
            self.held = held.split_off(last);
            self.line(&held, true, each);
        }
    }

    fn take_held(&mut self, each: &mut impl FnMut(Item<'_>)) {
        self.tell_too_long(each);
        let mut held = std::mem::take(&mut self.held);
        if !std::mem::take(&mut self.dropped) {
            self.line(&held, true, each);
        }
        self.told = false;
        held.clear();
        self.held = held;
    }

    /// Says once that what is held is too long. On a line whose frames end otherwise than was said nothing else would ever come.
    fn tell_too_long(&mut self, each: &mut impl FnMut(Item<'_>)) {
        if self.dropped && !std::mem::replace(&mut self.told, true) {
            each(Item::Damaged { bytes: &self.held, why: Damage::TooLong });
        }
    }

    /// Reads what stands between two terminators or gaps. `ended` says whether the last frame in it has its end.
    fn line(&self, line: &[u8], ended: bool, each: &mut impl FnMut(Item<'_>)) {
        let is_packets = self.framing.terminator == Terminator::Gap;
        let (before, mut text, side) = self.marked(line);
        if self.holds_frame(before) {
            // Without a terminator two packets read at once are no damage; with one, the end of the first was lost.
            self.line(before, is_packets, each);
        }
        loop {
            text = text.trim_ascii();
            if text.is_empty() {
                return;
            }
            let (why, next) = match Frame::read(text, side) {
                Ok(frame) if ended => return each(Item::Frame(frame)),
                Ok(_) => return each(Item::Damaged { bytes: text, why: Damage::NoEnd { next: text.len() } }),
                Err(why @ Damage::NoEnd { next }) => (why, Some(next.max(1))),
                // Noise or the rest of a frame may stand before a whole one.
                Err(why) => (why, next_start(text, 1)),
            };
            let (before, after) = text.split_at(next.unwrap_or(text.len()));
            let before = before.trim_ascii_end();
            match Frame::read(before, side) {
                Ok(frame) if is_packets => each(Item::Frame(frame)),
                _ => each(Item::Damaged { bytes: before, why }),
            }
            text = after;
        }
    }

    /// What stands before the last mark, what after it, and whose it is; all of the line where there is none.
    fn marked<'a>(&self, line: &'a [u8]) -> (&'a [u8], &'a [u8], Option<Side>) {
        let mut found = (&[][..], line, self.side);
        let Some(marks) = &self.framing.marks else { return found };
        let mut last = None;
        for (mark, side) in [(&marks.command, Side::Command), (&marks.reply, Side::Reply)] {
            let Some(at) = last_mark(line, mark) else { continue };
            if last.is_none_or(|other| at > other) {
                last = Some(at);
                let (before, text) = line.split_at(at);
                found = (before.strip_suffix(mark.as_slice()).unwrap_or(before), text, Some(side));
            }
        }
        found
    }

    /// Whether another frame stands before a mark, and not only a time or the like.
    fn holds_frame(&self, before: &[u8]) -> bool {
        let Some(marks) = &self.framing.marks else { return false };
        !before.is_empty()
            && (next_start(before, 0).is_some()
                || [&marks.command, &marks.reply].iter().any(|mark| last_mark(before, mark).is_some()))
    }
}

/// The end of the last mark that something like a frame follows.
fn last_mark(line: &[u8], mark: &[u8]) -> Option<usize> {
    let first = *mark.first()?;
    let marks = |at: &usize| {
        let text = line.get(*at..).and_then(|rest| rest.strip_prefix(mark));
        text.is_some_and(|text| is_like_a_frame(text.trim_ascii_start()))
    };
    memchr::memrchr_iter(first, line).find(marks).map(|at| at + mark.len())
}

/// Whether it begins with a capital letter and three more, or digits.
fn is_like_a_frame(text: &[u8]) -> bool {
    let head = text.get(..4).unwrap_or_default();
    head.first().is_some_and(u8::is_ascii_uppercase)
        && head.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
