//! `instrument-sim replay`: a capture, played back over a pseudo-terminal.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use instrumentd_simulators::Pace;
use instrumentd_simulators::replay::{Settings, Which, play};

use super::pace;

/// Plays a capture back over a pseudo-terminal, as the line was: with its silences, hang-ups and damage.
///
/// The format is described in docs/capture-format.md. It is text: cut out what matters, and add remarks. Captures of gRPC
/// services, of folders and of file sets have no line: `instrumentd replay` decodes them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The capture.
    file: PathBuf,

    /// Where the terminal is: a link that comes to be.
    #[arg(long, default_value = "./line", value_name = "PATH")]
    link: PathBuf,

    /// How fast its time runs: 1 as it was, 60 a minute in each second, `max` without waiting.
    #[arg(long, default_value = "1", value_name = "X|max", value_parser = pace)]
    speed: Pace,

    /// Which bytes.
    #[arg(long, default_value = "both")]
    direction: Direction,

    /// Only those of this source of a capture with several.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Go on while nobody has the terminal open, as a real line does; what is said then is lost.
    #[arg(long)]
    unheard: bool,
}

const EXAMPLES: &str = "\
Examples:
  What came over a robot's line, at the speed at which it came; the daemon's `serial` is ./line:
      instrument-sim replay field-problem.cap

  The replies alone, without waiting:
      instrument-sim replay field-problem.cap --direction from --speed max --link /tmp/replies";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Direction {
    /// Both sides on one line, as a tap sees them
    Both,
    /// From the instrument
    From,
    /// To the instrument
    To,
}

/// Plays it.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let capture =
        std::fs::read(&arguments.file).with_context(|| format!("cannot read '{}'", arguments.file.display()))?;
    let settings = Settings {
        link: arguments.link,
        which: match arguments.direction {
            Direction::Both => Which::Both,
            Direction::From => Which::FromInstrument,
            Direction::To => Which::ToInstrument,
        },
        source: arguments.source,
        pace: arguments.speed,
        wait_for_reader: !arguments.unheard,
    };
    eprintln!("playing on {}", settings.link.display());
    let played = play(&capture, &settings).with_context(|| arguments.file.display().to_string())?;
    for (line, mistake) in &played.mistakes {
        eprintln!("{}:{line}: {mistake}", arguments.file.display());
    }
    eprintln!("{} pieces, {} bytes, {} of them unheard", played.chunks, played.bytes, played.unheard);
    Ok(())
}
