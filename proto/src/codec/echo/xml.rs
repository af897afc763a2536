//! Reading XML within bounds: no document type, no entities but the five, no depth, no breadth that an instrument does not write.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::model::Cut;

/// Elements within elements. The files nest five deep.
const MAX_DEPTH: usize = 12;

/// Attributes of one element. A shot has some thirty.
const MAX_ATTRIBUTES: usize = 64;

/// Text of one element, and of an attribute, in bytes.
const MAX_TEXT: usize = 4096;

/// An element's name and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub name: String,
    pub line: u64,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// The value of an attribute; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// An element begins.
    Open(Element),
    /// The innermost element ends; so many are around it.
    Close(usize),
    /// Text in the innermost element.
    Text(String),
    /// The root element has ended.
    End,
}

/// Gives the pieces of one document.
pub(super) struct Pieces<'t> {
    text: &'t str,
    reader: Reader<&'t [u8]>,
    depth: usize,
    /// The end of an element that is empty.
    pending: bool,
    ended: bool,
    /// Where lines were counted up to, and how many.
    counted: (usize, u64),
}

impl<'t> Pieces<'t> {
    pub fn of(text: &'t str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        Self { text, reader, depth: 0, pending: false, ended: false, counted: (0, 1) }
    }

    /// The line that is being read, from 1.
    pub fn line(&mut self) -> u64 {
        let at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX).min(self.text.len());
        let (from, line) = self.counted;
        let passed = self.text.as_bytes().get(from..at).unwrap_or_default();
        let line = line + passed.iter().filter(|b| **b == b'\n').count() as u64;
        self.counted = (at.max(from), line);
        line
    }

    /// What follows the root element, without blanks.
    pub fn rest(&self) -> &'t str {
        let at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        self.text.get(at..).unwrap_or_default().trim()
    }

    /// The next piece.
    ///
    /// # Errors
    /// Where the document breaks off or breaks a rule; nothing is read beyond it.
    pub fn next(&mut self) -> Result<Piece, Cut> {
        if std::mem::take(&mut self.pending) {
            return Ok(self.close());
        }
        if self.ended {
            return Ok(Piece::End);
        }
        loop {
            let line = self.line();
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.cut(&error.to_string())),
            };
            match event {
                Event::Start(start) => return self.open(&start, line, false),
                Event::Empty(start) => return self.open(&start, line, true),
                Event::End(_) => return Ok(self.close()),
                Event::Text(text) if self.depth > 0 => return self.checked(text.xml10_content().into_owned()),
                Event::CData(text) if self.depth > 0 => return self.checked(text.xml10_content().into_owned()),
                Event::GeneralRef(reference) if self.depth > 0 => {
                    let resolved = match reference.resolve_char_ref() {
                        Ok(Some(c)) => Some(c.to_string()),
                        Ok(None) => resolve_predefined_entity(&reference).map(str::to_owned),
                        Err(_) => None,
                    };
                    return match resolved {
                        Some(text) => Ok(Piece::Text(text)),
                        None => Err(self.cut("an entity that is none of the five")),
                    };
                }
                Event::DocType(_) => return Err(self.cut("a document type, which no instrument writes")),
                Event::Eof => return Err(self.cut("it ends before its root element does")),
                _ => {}
            }
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, line: u64, is_empty: bool) -> Result<Piece, Cut> {
        if self.depth >= MAX_DEPTH {
            return Err(self.cut("elements are nested deeper than any instrument nests them"));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.cut(&error.to_string()))?;
            if attributes.len() >= MAX_ATTRIBUTES {
                return Err(self.cut("an element with more attributes than any instrument writes"));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| self.cut(&error.to_string()))?
                .into_owned();
            if value.len() > MAX_TEXT {
                return Err(self.cut("an attribute longer than any that an instrument writes"));
            }
            attributes.push((attribute.key.as_ref().to_owned(), value));
        }
        self.depth += 1;
        self.pending = is_empty;
        Ok(Piece::Open(Element { name: start.name().as_ref().to_owned(), line, attributes }))
    }

    fn close(&mut self) -> Piece {
        self.depth = self.depth.saturating_sub(1);
        self.ended = self.depth == 0;
        Piece::Close(self.depth)
    }

    fn checked(&mut self, text: String) -> Result<Piece, Cut> {
        match text.len() > MAX_TEXT {
            true => Err(self.cut("text longer than any that an instrument writes")),
            false => Ok(Piece::Text(text)),
        }
    }

    /// Where it breaks off.
    fn cut(&mut self, text: &str) -> Cut {
        Cut { line: self.line(), text: super::text::clean(text) }
    }
}
