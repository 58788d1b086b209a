//! Label selectors: `app=web,tier in (a, b),!old,weight>3`.

use std::str::FromStr;

use serde_json::Value;

/// Requirements that all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    label: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    /// What has no such label passes, too.
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// Whether an object has such labels.
    pub(crate) fn takes(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.0.iter().all(|requirement| {
            let value = labels[requirement.label.as_str()].as_str();
            requirement.test.passes(value)
        })
    }
}

impl Test {
    fn passes(&self, value: Option<&str>) -> bool {
        let is_among =
            |values: &[String]| value.is_some_and(|value| values.iter().any(|one| one == value));
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Missing => value.is_none(),
            Self::In(values) => is_among(values),
            Self::NotIn(values) => !is_among(values),
            Self::Greater(than) => number().is_some_and(|number| number > *than),
            Self::Less(than) => number().is_some_and(|number| number < *than),
        }
    }
}

impl FromStr for LabelSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let requirements = parts(text).map(str::trim).map(requirement);
        let requirements: Result<_, _> = requirements.collect();
        requirements
            .map(Self)
            .map_err(|why| format!("{text:?} is no label selector: {why}"))
    }
}

/// What is between commas, but those in parentheses.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
}

fn requirement(text: &str) -> Result<Requirement, String> {
    if let Some(label) = text.strip_prefix('!') {
        return test(label, Test::Missing);
    }
    if let Some((label, values)) = set(text, "notin") {
        return test(label, Test::NotIn(among(values)?));
    }
    if let Some((label, values)) = set(text, "in") {
        return test(label, Test::In(among(values)?));
    }
    let one = |value: &str| value_of(value).map(|value| vec![value]);
    if let Some((label, value)) = text.split_once("!=") {
        return test(label, Test::NotIn(one(value)?));
    }
    if let Some((label, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return test(label, Test::In(one(value)?));
    }
    if let Some((label, value)) = text.split_once('>') {
        return test(label, Test::Greater(number(value)?));
    }
    if let Some((label, value)) = text.split_once('<') {
        return test(label, Test::Less(number(value)?));
    }
    test(text, Test::Exists)
}

/// `label in (a, b)` in two: label and what is in parentheses.
fn set<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let (label, rest) = text.split_once(char::is_whitespace)?;
    let rest = rest.trim_start().strip_prefix(word)?;
    let rest = rest.trim_start().strip_prefix('(')?;
    Some((label, rest.strip_suffix(')')?))
}

fn among(values: &str) -> Result<Vec<String>, String> {
    values.split(',').map(value_of).collect()
}

fn test(label: &str, test: Test) -> Result<Requirement, String> {
    let label = label.trim();
    let (prefix, name) = label.rsplit_once('/').unwrap_or(("", label));
    let is_prefix =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if !is_word(name) || name.is_empty() || !prefix.chars().all(is_prefix) {
        return Err(format!("{label:?} is no name of a label"));
    }
    Ok(Requirement {
        label: label.to_owned(),
        test,
    })
}

fn value_of(text: &str) -> Result<String, String> {
    let value = text.trim();
    if is_word(value) {
        Ok(value.to_owned())
    } else {
        Err(format!("{value:?} is no value of a label"))
    }
}

fn number(text: &str) -> Result<i64, String> {
    let text = text.trim();
    text.parse()
        .map_err(|_| format!("{text:?} is no whole number"))
}

/// What names and values of labels may be: at most 63 letters, digits and, within, `-_.`.
fn is_word(text: &str) -> bool {
    let is_within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(is_within)
        && is_edge(text.chars().next())
        && is_edge(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_tested_as_kubectl_tests_them() {
        let pod = json!({ "metadata": { "labels": {
            "app": "web", "example.com/tier": "1", "empty": "",
        } } });
        let rows = [
            ("", true),
            ("app", true),
            ("!app", false),
            ("! other", true),
            ("other", false),
            ("app=web", true),
            ("app==web", true),
            ("app = db", false),
            ("app!=db", true),
            ("other!=db", true),
            ("empty=", true),
            ("app=", false),
            ("app in (db, web)", true),
            ("app in (db)", false),
            ("app notin (db)", true),
            ("other notin (db)", true),
            ("other in (db)", false),
            ("example.com/tier>0", true),
            ("example.com/tier<1", false),
            ("app>0", false),
            ("app=web,example.com/tier in (1,2),!other", true),
            ("app=web,other", false),
        ];
        for (text, takes) in rows {
            let selector: LabelSelector = text.parse().unwrap();
            assert_eq!(selector.takes(&pod), takes, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_by_name() {
        for text in [
            "=web",
            "app in web",
            "app=a b",
            ",",
            "app>x",
            "-app",
            "App/x=y",
            "a=b=c",
        ] {
            let refused = text.parse::<LabelSelector>().unwrap_err();
            assert!(refused.contains("is no label selector"), "{refused}");
        }
    }
}
