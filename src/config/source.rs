//! The text of a configuration or profile file, and places in it.

use std::ops::Range;

/// A file's name and text; secrets that stand in it in clear are blotted out, so that no message can show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
}

/// A line and column, both counted from 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Source {
    /// The text of the file `name`.
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: blot_secrets(text) }
    }

    /// The file's name, as the user gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text; as long as the file's own, with secrets blotted out.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text within `span`, cut to the file and to whole characters.
    pub fn slice(&self, span: &Range<usize>) -> &str {
        let start = floor(&self.text, span.start);
        let end = floor(&self.text, span.end).max(start);
        &self.text[start..end]
    }

    /// Where the byte `offset` stands.
    pub fn position(&self, offset: usize) -> Position {
        let before = &self.text[..floor(&self.text, offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The last character boundary at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Keys whose value is a secret.
pub(super) const SECRET_KEYS: [&str; 6] = ["password", "passwd", "passphrase", "pass", "secret", "token"];

/// Replaces the bytes of secrets by `*`. It looks at the text, not at the parsed document, because a text that cannot
/// be parsed is shown as well.
fn blot_secrets(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in secret_values(text).into_iter().chain(url_passwords(text)) {
        for byte in &mut bytes[span] {
            if *byte != b'\n' {
                *byte = b'*';
            }
        }
    }
    // Whole values are replaced, so what is left is whole characters; should that ever be wrong, show nothing.
    String::from_utf8(bytes).unwrap_or_default()
}

fn secret_values(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let is_key_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let mut spans = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_key_byte(bytes[at]) {
            at += 1;
            continue;
        }
        let end = at + bytes[at..].iter().take_while(|b| is_key_byte(**b)).count();
        let is_secret = SECRET_KEYS.iter().any(|key| text[at..end].eq_ignore_ascii_case(key));
        at = end;
        if !is_secret {
            continue;
        }
        let after_key = end + bytes[end..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b'"' | b'\'')).count();
        if bytes.get(after_key) != Some(&b'=') {
            continue;
        }
        let value = after_key + 1 + bytes[after_key + 1..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let rest = &text[value..];
        let line_end = value + rest.find('\n').unwrap_or(rest.len());
        let span = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)).map_or(
            value..line_end,
            |quote| {
                let inner = value + quote.len();
                let close = closing(&text[inner..], quote).map(|n| inner + n);
                match close {
                    Some(close) if quote.len() == 3 || close <= line_end => inner..close,
                    // Never closed: the line, or for the long quotes all that follows.
                    _ => inner.min(line_end)..if quote.len() == 3 { text.len() } else { line_end },
                }
            },
        );
        at = span.end.max(at);
        spans.push(span);
    }
    spans
}

/// Where the string that `quote` opened ends; escapes count in double quotes only.
fn closing(text: &str, quote: &str) -> Option<usize> {
    let escapes = quote.starts_with('"');
    let mut skip = false;
    text.char_indices().find_map(|(at, c)| {
        if std::mem::take(&mut skip) {
            return None;
        }
        if escapes && c == '\\' {
            skip = true;
        }
        text[at..].starts_with(quote).then_some(at)
    })
}

/// `secret` in `scheme://user:secret@host`.
fn url_passwords(text: &str) -> Vec<Range<usize>> {
    text.match_indices("://")
        .filter_map(|(at, marker)| {
            let start = at + marker.len();
            let rest = &text[start..];
            let authority =
                &rest[..rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'')).unwrap_or(rest.len())];
            let host = authority.rfind('@')?;
            let colon = authority[..host].find(':')?;
            Some(start + colon + 1..start + host)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::new("f", "a\nüx = 1\n");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(4), Position { line: 2, column: 2 });
        assert_eq!(source.position(3), Position { line: 2, column: 1 }, "within a character");
        assert_eq!(source.position(99), Position { line: 3, column: 1 });
        assert_eq!(source.slice(&(4..5)), "x");
        assert_eq!(source.slice(&(90..99)), "");
    }

    #[test]
    fn secrets_are_blotted_out_wherever_they_stand() {
        for text in [
            "password = \"hunter2\"",
            "Password='hunter2'",
            "a = { user = \"u\", password = \"hunter2\" }",
            "password = hunter2",
            "password = \"hunter2",
            "password = \"\"\"\nhunter2\n\"\"\"",
            "\"password\" = \"a\\\"hunter2\"",
            "# password = \"hunter2\"",
            "token=\"hunter2\" # note",
            "host = \"mqtt://u:hunter2@h:1883\"",
            "password = \"ü-hunter2",
        ] {
            let source = Source::new("f", text);
            assert!(!source.text().contains("hunter2"), "{}", source.text());
            assert_eq!(source.text().len(), text.len(), "{text}");
        }
        let kept = "password_file = \"/etc/hunter2\"\nuser = \"pass\"";
        assert_eq!(Source::new("f", kept).text(), kept);
    }
}
