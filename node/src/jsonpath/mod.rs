//! JSONPath as kubectl speaks it: text with paths in braces.
//!
//! ```text
//! {range .items[*]}{.metadata.name}{"\t"}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}
//! parse ─► sections ─► evaluate ─► results, a list for each section ─► text
//! ```
//!
//! What is not there is nothing, as kubectl has it unless told otherwise; an index beyond the end of a
//! list is an error.
#![deny(clippy::disallowed_methods)]

mod evaluate;
mod parse;
mod quote;
#[cfg(test)]
mod tests;
mod text;

use serde_json::Value;

pub(crate) use parse::ParseError;
pub(crate) use text::go_text;

/// A template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Section>);

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
enum Section {
    /// Text outside of braces.
    Text(String),
    /// What is in braces.
    Path(Vec<Step>),
    /// `{range …}` and what follows, until its `{end}`.
    Range(Vec<Step>, Vec<Section>),
}

/// One step of a path, from some values to others.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `.name`, `['name']`
    Field(String),
    /// `.*`
    Wildcard,
    /// `..`
    Descent,
    /// `[0]`, `[-1]`
    Index(i64),
    /// `[0:2]`, `[::2]`, `[*]`
    Slice(Slice),
    /// `[0,2]`, `['a','b']`: a path each
    Union(Vec<Vec<Step>>),
    /// `[?(@.a)]`, `[?(@.a==1)]`
    Filter(Filter),
    /// A text, number or truth value in place of what was there
    Literal(Value),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slice {
    from: Option<i64>,
    to: Option<i64>,
    step: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Vec<Step>,
    /// Without one, it is enough that there is something on the left.
    comparison: Option<(Comparison, Vec<Step>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Why a template cannot be applied to an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvaluateError {
    /// An index or slice of what is no list.
    #[error("{0} is not array or slice")]
    NoList(&'static str),
    /// A filter of what is no list.
    #[error("{0} is not array or slice and cannot be filtered")]
    NotFiltered(String),
    /// Beyond the end.
    #[error("array index out of bounds: index {index}, length {length}")]
    OutOfBounds {
        /// Which.
        index: i64,
        /// How many there are.
        length: i64,
    },
    /// A slice that goes backwards.
    #[error("starting index {from} is greater than ending index {to}")]
    Backwards {
        /// Its start.
        from: i64,
        /// Its end.
        to: i64,
    },
    /// A step of nothing.
    #[error("step must be > 0")]
    NoStep,
    /// One side of a comparison has several values.
    #[error("can only compare one element at a time")]
    Several,
    /// Numbers and texts, say.
    #[error("incompatible types for comparison")]
    Incompatible,
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        parse::template(text).map(Self)
    }

    /// Reads one path, with or without braces and the first dot, as `--sort-by` takes it.
    pub(crate) fn relaxed(text: &str) -> Result<Self, ParseError> {
        Self::parse(&parse::relaxed(text)?)
    }

    /// What it finds, a list for each of its sections.
    pub(crate) fn find(&self, object: &Value) -> Result<Vec<Vec<Value>>, EvaluateError> {
        let mut found = Vec::new();
        evaluate::sections(&self.0, object, &mut found)?;
        Ok(found)
    }

    /// What it makes of an object.
    pub(crate) fn render(&self, object: &Value) -> Result<String, EvaluateError> {
        let lists = self.find(object)?;
        Ok(lists.iter().map(|list| text::of(list)).collect())
    }
}
