//! Problems: what is wrong, where, and how to mend it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::codes::{Code, Severity};
use super::render;
use super::source::Source;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The bytes.
    pub span: Range<usize>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind; says the severity.
    pub code: Code,
    /// Where; `None` where no text can be shown.
    pub place: Option<Place>,
    /// The file, also where no place in it can be shown.
    pub file: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// A word beside the underlined text; may be empty.
    pub label: String,
    /// What is allowed and what was probably meant, one sentence each.
    pub help: Vec<String>,
    /// Another place of the same file that has to do with it, and what is there.
    pub also: Option<(Range<usize>, String)>,
}

impl Problem {
    /// A problem at a place.
    pub fn at(code: Code, source: &Arc<Source>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            file: source.name().to_owned(),
            place: Some(Place { source: Arc::clone(source), span }),
            message: message.into(),
            label: String::new(),
            help: Vec::new(),
            also: None,
        }
    }

    /// A problem of the whole of `file`.
    pub fn of_file(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            file: file.into(),
            place: None,
            message: message.into(),
            label: String::new(),
            help: Vec::new(),
            also: None,
        }
    }

    /// Adds what is allowed or was probably meant.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help.push(text.into());
        self
    }

    /// Adds what was probably meant, if anything was.
    pub fn meant(&mut self, name: Option<impl fmt::Display>) -> &mut Self {
        if let Some(name) = name {
            self.help.push(format!("did you mean `{name}`?"));
        }
        self
    }

    /// Says a word beside the underlined text.
    pub fn label(&mut self, text: impl Into<String>) -> &mut Self {
        self.label = text.into();
        self
    }

    /// Shows another place.
    pub fn also(&mut self, span: Range<usize>, text: impl Into<String>) -> &mut Self {
        self.also = Some((span, text.into()));
        self
    }

    /// Whether it stops the daemon.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::human(self, false))
    }
}

/// All problems of a configuration, in the order of the file. Displayed, each is shown at its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// How many stop the daemon.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|p| p.severity() == Severity::Error).count()
    }

    /// How many do not.
    pub fn warnings(&self) -> usize {
        self.0.len() - self.errors()
    }

    /// Orders them by file and place; those without a place come last.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let key = |p: &Problem| (p.place.is_none(), p.file.clone(), p.place.as_ref().map(|p| p.span.start));
            key(a).cmp(&key(b))
        });
    }

    /// All of them on one line, without their places: for logs and messages.
    pub fn sentences(&self) -> String {
        let one = |problem: &Problem| {
            let parts: Vec<&str> = std::iter::once(&problem.message).chain(&problem.help).map(String::as_str).collect();
            parts.join("; ")
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" | ")
    }

    /// `2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        format!("{}, {}", count(self.errors(), "error"), count(self.warnings(), "warning"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}\n")?;
        }
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Problems {}
