//! `$(VAR)` in environment values, commands and arguments.
//!
//! `$$` is one dollar sign; a reference to a variable that is not known, and every other use of
//! `$`, stays as it was written.

#![deny(clippy::disallowed_methods)]

/// Expands every reference for which `lookup` has a value.
pub(crate) fn expand<'a>(text: &'a str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        let (text, used) = reference(&rest[dollar..], &lookup);
        expanded.push_str(text);
        rest = &rest[dollar + used..];
    }
    expanded.push_str(rest);
    expanded
}

/// Expands every reference, or says which variable there is not.
pub(crate) fn expand_known<'a>(
    text: &'a str,
    lookup: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, String> {
    let unknown = std::cell::RefCell::new(None);
    let expanded = expand(text, |name| {
        let found = lookup(name);
        if found.is_none() {
            unknown.borrow_mut().get_or_insert_with(|| name.to_owned());
        }
        found
    });
    unknown.into_inner().map_or(Ok(expanded), Err)
}

/// What stands for the start of `text`, which is a dollar sign, and how many bytes it stands for.
fn reference<'a>(text: &'a str, lookup: &impl Fn(&str) -> Option<&'a str>) -> (&'a str, usize) {
    if text.starts_with("$$") {
        return ("$", 2);
    }
    let name = text
        .strip_prefix("$(")
        .and_then(|inside| inside.split_once(')'));
    match name {
        Some((name, _)) => {
            let whole = &text[..name.len() + 3];
            (lookup(name).unwrap_or(whole), whole.len())
        }
        None => ("$", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_must_be_known_is_named() {
        let lookup = |name: &str| (name == "A").then_some("1");
        assert_eq!(expand_known("x/$(A)/$$(B)", lookup), Ok("x/1/$(B)".into()));
        assert_eq!(expand_known("$(A)/$(B)/$(C)", lookup), Err("B".into()));
    }

    #[test]
    fn references_expand_as_kubernetes_documents_them() {
        let lookup = |name: &str| match name {
            "A" => Some("1"),
            "EMPTY" => Some(""),
            "NESTED" => Some("$(A)"),
            _ => None,
        };
        let rows = [
            ("", ""),
            ("plain", "plain"),
            ("$(A)", "1"),
            ("x$(A)y$(A)z", "x1y1z"),
            ("$(EMPTY)", ""),
            ("$(UNKNOWN)", "$(UNKNOWN)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$$$$(A)", "$$(A)"),
            ("$A", "$A"),
            ("${A}", "${A}"),
            ("$", "$"),
            ("100$", "100$"),
            ("$(A", "$(A"),
            ("$(", "$("),
            ("$()", "$()"),
            ("$(NESTED)", "$(A)"),
            ("é$(A)ü", "é1ü"),
        ];
        for (text, expected) in rows {
            assert_eq!(expand(text, lookup), expected, "{text:?}");
        }
    }
}
