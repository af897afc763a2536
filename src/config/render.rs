//! Problems as text for people, and as JSON for tools.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::codes::Severity;
use super::problem::Problem;

/// The problem as a person reads it: code, message, file:line:column, the text underlined, and what to do.
pub fn human(problem: &Problem, colours: bool) -> String {
    let level = match problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code.as_str());
    let mut group = match &problem.place {
        Some(place) => {
            let label = Some(problem.label.as_str()).filter(|l| !l.is_empty());
            let mut snippet = Snippet::source(place.source.text())
                .path(place.source.name())
                .annotation(AnnotationKind::Primary.span(place.span.clone()).label(label));
            if let Some((span, text)) = &problem.also {
                snippet = snippet.annotation(AnnotationKind::Context.span(span.clone()).label(text.as_str()));
            }
            title.element(snippet)
        }
        None => Group::with_title(title),
    };
    if problem.place.is_none() {
        group = group.element(Level::NOTE.message(format!("in {}", problem.file)));
    }
    for help in &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// A problem for tools. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    severity: Severity,
    code: &'static str,
    file: &'a str,
    #[serde(flatten)]
    place: Option<RecordPlace<'a>>,
    message: &'a str,
    help: &'a [String],
}

#[derive(Debug, Serialize)]
struct RecordPlace<'a> {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    text: &'a str,
}

impl<'a> From<&'a Problem> for Record<'a> {
    fn from(problem: &'a Problem) -> Self {
        let place = problem.place.as_ref().map(|place| {
            let start = place.source.position(place.span.start);
            let end = place.source.position(place.span.end);
            RecordPlace {
                line: start.line,
                column: start.column,
                end_line: end.line,
                end_column: end.column,
                text: place.source.slice(&place.span),
            }
        });
        Self {
            severity: problem.severity(),
            code: problem.code.as_str(),
            file: &problem.file,
            place,
            message: &problem.message,
            help: &problem.help,
        }
    }
}
