//! What is said on the terminal.

use std::io::{self, Write as _};

use tokio::time::Instant;

/// Says things on the terminal, with the time since the beginning.
#[derive(Debug)]
pub struct Narrator {
    begin: Instant,
}

impl Narrator {
    /// The beginning is now.
    pub fn new() -> Self {
        Self { begin: Instant::now() }
    }

    /// Something without a time.
    pub fn plain(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    /// Something that was seen.
    pub fn said(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{:5.1} s   {text}", self.begin.elapsed().as_secs_f64())
    }

    /// Something that is done on purpose.
    pub fn act(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{:5.1} s * {text}", self.begin.elapsed().as_secs_f64())
    }
}
