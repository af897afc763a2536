//! Reads a TOML document into typed tables, going on after each mistake so that all are reported at once.
//!
//! serde stops at its first error and loses places behind `kind = …` and flattened tables; this reader keeps the place
//! of each key and value. The tables that it reads are declared once, with `tables!`, from which come the reading,
//! the known keys and the JSON Schema.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::codes::{Code, Severity};
use super::nearest::nearest;
use super::problem::Problem;
use super::source::{SECRET_KEYS, Source};

/// A value with its place.
pub type Value<'i> = Spanned<DeValue<'i>>;

/// What was read, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// What was read.
    pub value: T,
    /// The bytes of the value.
    pub span: Range<usize>,
}

/// What unknown keys of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Errors: what is recorded, kept or delivered may depend on them.
    Refused,
    /// Errors only where they are nearly a known key, else warnings.
    RefusedIfNear,
    /// Warnings: nothing that is recorded, kept or delivered depends on the table.
    Ignored,
}

/// Something that can be read from a value.
pub trait Read: Sized {
    /// Reads it, or reports what is wrong and says `None`.
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self>;
}

/// Whether a key must be there, may be, or is there only for people to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has no default.
    Must,
    /// It has one.
    May,
    /// Nothing that is recorded, kept or delivered depends on it: a mistake in it is a warning.
    Cosmetic,
}

/// Collects what is wrong with one document.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    problems: Vec<Problem>,
    /// Keys that were given with a wrong value, or misspelt, by where their table stands: they are not missing too.
    tried: Vec<(Range<usize>, &'static str)>,
}

impl Reader {
    /// A reader of the file `name`.
    pub fn new(name: &str, text: &str) -> Self {
        Self { source: Arc::new(Source::new(name, text)), problems: Vec::new(), tried: Vec::new() }
    }

    /// Reads the whole document, which must be `text` as given to `new`.
    ///
    /// After a syntax error the rest is read as well as it can be, but then nothing is said about what is missing, nor
    /// about the lines that are broken.
    pub fn document<T: Read>(&mut self, text: &str) -> Option<T> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut broken = Vec::new();
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            broken.push(self.source.position(span.start).line);
            self.syntax(error.message(), span, text);
        }
        let syntax = std::mem::take(&mut self.problems);
        let root = Spanned::new(0..0, DeValue::Table(table.into_inner()));
        let read = T::read(&root, self);
        if !syntax.is_empty() {
            self.problems.retain(|problem| {
                let line = problem.place.as_ref().map(|p| p.source.position(p.span.start).line);
                problem.code != Code::MissingKey && !line.is_some_and(|line| broken.contains(&line))
            });
        }
        self.problems.extend(syntax);
        read
    }

    fn syntax(&mut self, message: &str, span: Range<usize>, text: &str) {
        if message.starts_with("duplicate key") {
            let name = text.get(span.clone()).unwrap_or_default().to_owned();
            self.report(Code::DuplicateKey, span, format!("`{name}` is defined twice"))
                .help("keep one of the two; a device's id, for instance, names one instrument only");
        } else {
            self.report(Code::Syntax, span, format!("this is not TOML: {message}"))
                .help("texts stand in quotes, tables in [brackets], one `key = value` on each line");
        }
    }

    /// Reports a problem at `span`.
    pub fn report(&mut self, code: Code, span: Range<usize>, message: impl Into<String>) -> &mut Problem {
        let at = self.problems.len();
        // TOML can spell any character; none of them may reach a terminal.
        let message: String = message.into().chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
        self.problems.push(Problem::at(code, &self.source, span, message));
        &mut self.problems[at]
    }

    /// Reports that `value` should have been `expected`.
    pub fn wrong_type(&mut self, value: &Value<'_>, expected: &str) -> &mut Problem {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report(Code::WrongType, value.span(), format!("expected {expected}, found {found}"))
    }

    /// The text of `value`, which should have been `expected`.
    pub fn text<'v>(&mut self, value: &'v Value<'_>, expected: &str) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(value, &format!("{expected}, in quotes"));
        }
        text
    }

    /// Whether `key` was given in the table at `table`, though in a way that could not be read.
    pub fn was_tried(&self, table: &Range<usize>, key: &str) -> bool {
        self.tried.iter().any(|(span, tried)| span == table && *tried == key)
    }

    /// Whether anything so far stops the daemon.
    pub fn has_errors(&self) -> bool {
        self.error_count() > 0
    }

    /// How many of the problems so far stop the daemon.
    pub fn error_count(&self) -> usize {
        self.problems.iter().filter(|p| p.severity() == Severity::Error).count()
    }

    /// What was reported.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The file.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The table that `value` is; reports keys that are not among `known`.
    pub(crate) fn table<'v, 'i>(
        &mut self,
        value: &'v Value<'i>,
        known: &[&'static str],
        unknown: Unknown,
    ) -> Option<&'v DeTable<'i>> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(value, &format!("a table with {}", list(known)));
            return None;
        };
        for key in table.keys() {
            if !known.contains(&&**key.get_ref()) {
                let meant = self.unknown_key(key.get_ref(), key.span(), known, unknown);
                self.tried.extend(meant.map(|name| (value.span(), name)));
            }
        }
        Some(table)
    }

    /// Reports an unknown key and says which one was probably meant.
    fn unknown_key(
        &mut self,
        key: &str,
        span: Range<usize>,
        known: &[&'static str],
        unknown: Unknown,
    ) -> Option<&'static str> {
        if SECRET_KEYS.iter().any(|secret| key.eq_ignore_ascii_case(secret)) {
            let file = if known.contains(&"token_file") { "token_file" } else { "password_file" };
            self.report(Code::PasswordInClear, span, format!("`{key}` would put a secret into this file"))
                .help("write the secret alone into a file that only the daemon can read (mode 0600)")
                .help(match file {
                    "token_file" => "name that file: `token_file = \"/etc/instrumentd/gateway-token\"`",
                    _ => "name that file: `password_file = \"/etc/instrumentd/mqtt-password\"`",
                });
            return known.iter().copied().find(|name| *name == file);
        }
        let meant = nearest(key, known.iter().copied());
        let (code, message) = match (meant, unknown) {
            (_, Unknown::Ignored) | (None, Unknown::RefusedIfNear) => {
                (Code::IgnoredKey, format!("`{key}` is unknown and ignored"))
            }
            _ => (Code::UnknownKey, format!("`{key}` is unknown")),
        };
        self.report(code, span, message).meant(meant).help(format!("known here: {}", list(known)));
        meant
    }

    /// Reads the entry `key` of a table; what must be there and is not is reported at the table. What is wrong with a
    /// cosmetic one is no more than said.
    pub(crate) fn entry<T: Read>(
        &mut self,
        table: &DeTable<'_>,
        key: &'static str,
        presence: Presence,
        table_span: &Range<usize>,
        about: &str,
    ) -> Option<At<T>> {
        let Some(value) = table.get(key) else {
            if presence == Presence::Must && !self.was_tried(table_span, key) {
                self.report(Code::MissingKey, table_span.clone(), format!("`{key}` is missing"))
                    .help(format!("`{key}`: {about}"));
            }
            return None;
        };
        let before = self.problems.len();
        let read = match T::read(value, self) {
            Some(read) => Some(At { value: read, span: value.span() }),
            None => {
                self.tried.push((table_span.clone(), key));
                None
            }
        };
        if presence == Presence::Cosmetic {
            for problem in self.problems.iter_mut().skip(before).filter(|p| p.severity() == Severity::Error) {
                problem.code = Code::IgnoredValue;
                problem.help("it is left out: nothing that is recorded depends on it");
            }
        }
        read
    }
}

/// `` `a`, `b`, `c` ``
pub fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Entries by a name that the user chooses, each with the place of the name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named<T> {
    /// Those that could be read.
    pub entries: BTreeMap<String, (Range<usize>, At<T>)>,
    /// How many there are, with those that could not be read.
    pub written: usize,
}

impl<T: Read> Read for Named<T> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            reader
                .wrong_type(value, "a table for each name")
                .help("each has its name in its heading: `[devices.biolector-1]`, `[brokers.main]`");
            return None;
        };
        let mut named = BTreeMap::new();
        for (key, value) in table {
            if let Some(read) = T::read(value, reader) {
                named.insert(key.get_ref().to_string(), (key.span(), At { value: read, span: value.span() }));
            }
        }
        Some(Self { entries: named, written: table.len() })
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Named<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "propertyNames": {"pattern": "^[a-z0-9][a-z0-9-]{0,62}$"},
            "additionalProperties": T::json_schema(generator),
        })
    }
}

impl<T: Read> Read for Vec<At<T>> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Some(array) = value.get_ref().as_array() else {
            reader.wrong_type(value, "a list");
            return None;
        };
        let read = |value: &Value<'_>| T::read(value, reader).map(|read| At { value: read, span: value.span() });
        Some(array.iter().filter_map(read).collect())
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for At<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
