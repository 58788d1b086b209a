//! A template read into its sections.

use serde_json::Value;

use super::quote::unquoted;
use super::{Comparison, Filter, Section, Slice, Step};

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// A brace that is not closed.
    #[error("unclosed action")]
    Unclosed,
    /// A bracket that is not closed.
    #[error("unterminated array")]
    UnclosedArray,
    /// A filter that is not closed.
    #[error("unterminated filter")]
    UnclosedFilter,
    /// A filter without its last bracket.
    #[error("unclosed array expect ]")]
    UnclosedFilterArray,
    /// A quote that is not closed.
    #[error("unterminated quoted string")]
    UnclosedQuote,
    /// An escape that is none.
    #[error("unquote string {0} error invalid syntax")]
    Escape(String),
    /// A character that means nothing.
    #[error("unrecognized character in action: {0:?}")]
    Character(char),
    /// A word that means nothing.
    #[error("unrecognized identifier {0}")]
    Word(String),
    /// What stands in brackets is no index.
    #[error("invalid array index {0}")]
    Index(String),
    /// Digits that are no number.
    #[error("cannot parse number {0}")]
    Number(String),
    /// `{end}` without `{range}`.
    #[error("not in range, nothing to end")]
    NoRange,
    /// `....`
    #[error("invalid multiple recursive descent")]
    TwoDescents,
    /// `=>`, say.
    #[error("unrecognized filter operator {0}")]
    Operator(String),
    /// What is no single path.
    #[error(
        "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{{name1.name2}}' or '{{.name1.name2}}'"
    )]
    NoPath,
}

/// The sections of a template.
pub(super) fn template(text: &str) -> Result<Vec<Section>, ParseError> {
    let mut rest = text;
    // The sections that are begun, the outermost first, each but that with the path of its range.
    let mut open: Vec<(Vec<Step>, Vec<Section>)> = vec![(Vec::new(), Vec::new())];
    while !rest.is_empty() {
        let innermost = open.last_mut().expect("the outermost is never closed");
        let Some(brace) = rest.find('{') else {
            innermost.1.push(Section::Text(rest.to_owned()));
            break;
        };
        if brace > 0 {
            innermost.1.push(Section::Text(rest[..brace].to_owned()));
        }
        let mut action = Action::new(&rest[brace + 1..]);
        match action.read(End::Brace)? {
            Read::Path(path) => innermost.1.push(Section::Path(path)),
            Read::Range(path) => open.push((path, Vec::new())),
            Read::End => close(&mut open)?,
        }
        rest = action.rest;
    }
    // A range that is not ended goes to the end.
    while open.len() > 1 {
        close(&mut open)?;
    }
    Ok(open.pop().expect("the outermost is never closed").1)
}

fn close(open: &mut Vec<(Vec<Step>, Vec<Section>)>) -> Result<(), ParseError> {
    if open.len() < 2 {
        return Err(ParseError::NoRange);
    }
    let (path, below) = open.pop().expect("there are two");
    let around = open.last_mut().expect("one is left");
    around.1.push(Section::Range(path, below));
    Ok(())
}

/// A path as it may be written without braces or dot, with both.
pub(super) fn relaxed(text: &str) -> Result<String, ParseError> {
    let bare = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let bare = bare.unwrap_or(text);
    let bare = bare.strip_prefix('.').unwrap_or(bare);
    if bare.is_empty() || bare.contains(['{', '}']) {
        return Err(ParseError::NoPath);
    }
    Ok(format!("{{.{bare}}}"))
}

/// Where a path ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At a closing brace.
    Brace,
    /// With its text.
    Text,
}

/// What stands in braces.
enum Read {
    Path(Vec<Step>),
    Range(Vec<Step>),
    End,
}

/// A path being read.
struct Action<'a> {
    rest: &'a str,
}

impl<'a> Action<'a> {
    fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    /// A path that is all of a text.
    fn whole(text: &str) -> Result<Vec<Step>, ParseError> {
        match Action::new(text).read(End::Text)? {
            Read::Path(path) => Ok(path),
            Read::Range(_) => Err(ParseError::Word("range".to_owned())),
            Read::End => Err(ParseError::Word("end".to_owned())),
        }
    }

    fn read(&mut self, end: End) -> Result<Read, ParseError> {
        let mut path = Vec::new();
        let mut word = None;
        loop {
            let Some(first) = self.rest.chars().next() else {
                if end == End::Brace {
                    return Err(ParseError::Unclosed);
                }
                break;
            };
            match first {
                '}' if end == End::Brace => {
                    self.skip(1);
                    break;
                }
                '\r' | '\n' => return Err(ParseError::Unclosed),
                ' ' | '@' | '$' => self.skip(1),
                '.' | '[' => self.step(&mut path)?,
                '"' | '\'' => path.push(Step::Literal(self.quoted(first)?.into())),
                '+' | '-' | '0'..='9' => path.push(Step::Literal(self.number()?)),
                _ if is_letter(first) => match self.word() {
                    "true" => path.push(Step::Literal(true.into())),
                    "false" => path.push(Step::Literal(false.into())),
                    found @ ("range" | "end") => word = Some(found),
                    other => return Err(ParseError::Word(other.to_owned())),
                },
                other => return Err(ParseError::Character(other)),
            }
        }
        Ok(match word {
            None => Read::Path(path),
            Some("range") => Read::Range(path),
            Some(_) => Read::End,
        })
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// Takes so many bytes.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// What begins with a dot or a bracket.
    fn step(&mut self, path: &mut Vec<Step>) -> Result<(), ParseError> {
        if self.rest.starts_with("[?(") {
            path.push(self.filter()?);
        } else if self.rest.starts_with('[') {
            path.extend(self.bracket()?);
        } else if self.rest.starts_with("..") {
            if path.last() == Some(&Step::Descent) {
                return Err(ParseError::TwoDescents);
            }
            self.skip(2);
            path.push(Step::Descent);
            if self.rest.starts_with(is_letter) {
                path.push(self.field());
            }
        } else {
            self.skip(1);
            path.push(self.field());
        }
        Ok(())
    }

    /// A name until what ends it; a backslash takes away the meaning of what follows.
    fn field(&mut self) -> Step {
        let mut is_escaped = false;
        let end = self.rest.find(|character| {
            let ends = !is_escaped && is_end(character);
            is_escaped = !is_escaped && character == '\\';
            ends
        });
        match self.take(end.unwrap_or(self.rest.len())) {
            "*" => Step::Wildcard,
            name => Step::Field(name.replace('\\', "")),
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let digits = self.rest[1..].find(|c: char| c != '.' && !c.is_ascii_digit());
        let text = self.take(digits.map_or(self.rest.len(), |end| end + 1));
        let bare = text.strip_prefix('+').unwrap_or(text);
        let whole = bare.parse::<i64>().ok().map(Value::from);
        let number = whole.or_else(|| bare.parse::<f64>().ok().map(Value::from));
        number.ok_or_else(|| ParseError::Number(text.to_owned()))
    }

    fn quoted(&mut self, quote: char) -> Result<String, ParseError> {
        let end = quote_end(&self.rest[1..], quote).ok_or(ParseError::UnclosedQuote)?;
        let text = self.take(end + 2);
        let inside = &text[1..=end];
        unquoted(inside, quote).ok_or_else(|| ParseError::Escape(text.to_owned()))
    }

    /// An index, a slice, a name in quotes, or several of these.
    fn bracket(&mut self) -> Result<Vec<Step>, ParseError> {
        let end = self.rest.find([']', '\n']);
        let end = end.filter(|end| self.rest[*end..].starts_with(']'));
        let text = self.take(end.ok_or(ParseError::UnclosedArray)? + 1);
        let inside = &text[1..text.len() - 1];
        let parts: Vec<_> = inside.split(',').collect();
        if parts.len() < 2 {
            return bracketed(inside);
        }
        let paths = parts.iter().map(|part| bracketed(part.trim_matches(' ')));
        Ok(vec![Step::Union(paths.collect::<Result<_, _>>()?)])
    }

    fn filter(&mut self) -> Result<Step, ParseError> {
        self.skip("[?(".len());
        let end = filter_end(self.rest).ok_or(ParseError::UnclosedFilter)?;
        let condition = self.take(end);
        self.skip(1);
        if !self.rest.starts_with(']') {
            return Err(ParseError::UnclosedFilterArray);
        }
        self.skip(1);
        condition_of(condition).map(Step::Filter)
    }
}

/// What one part of a bracket means.
fn bracketed(text: &str) -> Result<Vec<Step>, ParseError> {
    if text == "*" {
        return Ok(vec![Step::Slice(Slice::default())]);
    }
    let name = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    if let Some(name) = name.filter(|name| !name.contains('\'')) {
        // Dots in it part names, unless they are escaped.
        return Action::whole(&format!(".{name}"));
    }
    let invalid = || ParseError::Index(text.to_owned());
    let numbers: Option<Vec<Option<i64>>> = text
        .split(':')
        .map(|number| match number {
            "" => Some(None),
            number => number.parse().ok().map(Some),
        })
        .collect();
    match numbers.ok_or_else(invalid)?.as_slice() {
        [Some(index)] => Ok(vec![Step::Index(*index)]),
        [from, to, step @ ..] if step.len() < 2 => Ok(vec![Step::Slice(Slice {
            from: *from,
            to: *to,
            step: step.first().copied().flatten(),
        })]),
        _ => Err(invalid()),
    }
}

/// Where the parenthesis of a filter closes: not within quotes.
fn filter_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (_, '\n') => return None,
            (None, ')') => return Some(at),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if character == open && before != '\\' => quote = None,
            _ => {}
        }
        before = character;
    }
    None
}

fn condition_of(text: &str) -> Result<Filter, ParseError> {
    let is_sign = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let Some(from) = text.find(is_sign).filter(|from| *from > 0) else {
        let left = Action::whole(text)?;
        let comparison = None;
        return Ok(Filter { left, comparison });
    };
    let to = text[from..].find(|c| !is_sign(c)).map(|to| from + to);
    let operator = &text[from..to.unwrap_or(text.len())];
    let left = Action::whole(&text[..from])?;
    let right = Action::whole(&text[to.unwrap_or(text.len())..])?;
    let comparison = match operator {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        other => return Err(ParseError::Operator(other.to_owned())),
    };
    let comparison = Some((comparison, right));
    Ok(Filter { left, comparison })
}

/// Where a quoted text ends: at the next quote that is not escaped.
fn quote_end(text: &str, quote: char) -> Option<usize> {
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match character {
            '\n' => return None,
            _ if character == quote && before != '\\' => return Some(at),
            _ => before = character,
        }
    }
    None
}

fn is_letter(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// What ends a name.
fn is_end(character: char) -> bool {
    matches!(
        character,
        ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}'
    )
}
