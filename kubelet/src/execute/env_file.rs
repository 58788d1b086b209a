//! Variables in a file that a container wrote: a strict part of what a shell reads.
//!
//! A line is `NAME='value'`; the value may go over several lines and nothing in it is special. A
//! comment begins with `#`, and `NAME= 'value'` is an empty value, as in a shell.

#![deny(clippy::disallowed_methods)]

/// Why a file cannot be read as variables.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EnvFileError {
    /// A line that is not `NAME='value'`.
    #[error("invalid environment variable format at line {line}: {problem}")]
    Line { line: usize, problem: &'static str },
    /// A value that never ends.
    #[error("invalid environment variable format starting at line {0}: unclosed single quote")]
    Unclosed(usize),
}

/// The value of a name; what stands behind it in the file is not looked at.
pub(crate) fn value(text: &str, key: &str) -> Result<Option<String>, EnvFileError> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches(BLANK);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, written) = assignment(number, line)?;
        let value = match written.strip_prefix('\'') {
            Some(rest) => quoted(number, rest, &mut lines)?,
            // As in a shell, what follows a blank is another word.
            None if written.starts_with(BLANK) => String::new(),
            None => return Err(bad(number, "value must be enclosed in single quotes")),
        };
        if name == key {
            return Ok(Some(value).filter(|value| !value.is_empty()));
        }
    }
    Ok(None)
}

const BLANK: [char; 2] = [' ', '\t'];

fn bad(line: usize, problem: &'static str) -> EnvFileError {
    EnvFileError::Line { line, problem }
}

fn assignment(number: usize, line: &str) -> Result<(&str, &str), EnvFileError> {
    let (name, written) = line
        .split_once('=')
        .ok_or_else(|| bad(number, "missing '='"))?;
    if name.trim_end_matches(BLANK).is_empty() {
        return Err(bad(number, "empty variable name"));
    }
    if name.ends_with(BLANK) {
        return Err(bad(number, "whitespace before '=' is not allowed"));
    }
    Ok((name, written))
}

/// What stands before the closing quote, on this line or a later one.
fn quoted<'a>(
    first: usize,
    mut rest: &'a str,
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
) -> Result<String, EnvFileError> {
    let mut value = String::new();
    let mut number = first;
    loop {
        if let Some((inside, after)) = rest.split_once('\'') {
            value.push_str(inside);
            let after = after.trim_start_matches(BLANK);
            if !after.is_empty() && !after.starts_with('#') {
                return Err(bad(number, "unexpected content after closing quote"));
            }
            return Ok(value);
        }
        value.push_str(rest);
        value.push('\n');
        (number, rest) = lines.next().ok_or(EnvFileError::Unclosed(first))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_between_single_quotes() {
        let rows = [
            ("A='1'\n", Some("1")),
            ("# A='0'\n\n  \tA='1' # one\n", Some("1")),
            ("B='2'\nA='1'\n", Some("1")),
            ("B='x\ny'\nA='1\n2'\n", Some("1\n2")),
            ("A='$B \\n \"x\"'", Some("$B \\n \"x\"")),
            ("A= '1'\n", None),
            ("A=''\n", None),
            ("B='1'\n", None),
            ("A='1'\nnonsense", Some("1")),
            ("", None),
        ];
        for (text, expected) in rows {
            let found = value(text, "A").unwrap();
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn another_form_is_refused_with_its_line() {
        let rows = [
            ("\nA\n", "at line 2: missing '='"),
            ("='1'", "at line 1: empty variable name"),
            ("A ='1'", "at line 1: whitespace before '=' is not allowed"),
            ("A=1", "at line 1: value must be enclosed in single quotes"),
            (
                "A='1'2",
                "at line 1: unexpected content after closing quote",
            ),
            (
                "B='\n\n' x",
                "at line 3: unexpected content after closing quote",
            ),
            ("\nA='1", "starting at line 2: unclosed single quote"),
        ];
        for (text, expected) in rows {
            let error = value(text, "A").unwrap_err().to_string();
            assert_eq!(
                error,
                format!("invalid environment variable format {expected}"),
                "{text:?}"
            );
        }
    }
}
