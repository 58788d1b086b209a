//! How objects are printed: what `-o` says.

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::Value;

use super::columns::{self, Column};
use crate::jsonpath::Template;

/// How objects are printed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// A table with kubectl's columns.
    Table,
    /// The same with more of them.
    Wide,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// Kind and name alone.
    Name,
    /// What a template makes of them.
    JsonPath(Template),
    /// What a template finds, as a list in JSON.
    JsonPathAsJson(Template),
    /// A table with these columns.
    Columns(Vec<Column>),
    /// A template that stands in a file.
    JsonPathFile(PathBuf),
    /// Columns that stand in a file: a line of headers and one of paths.
    ColumnsFile(PathBuf),
}

/// What `-o` takes.
pub(crate) const FORMS: &str = "custom-columns,custom-columns-file,json,jsonpath,jsonpath-as-json,\
                                jsonpath-file,name,wide,yaml";

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = match text.split_once('=') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        let needed = |what: &str| {
            let rest = rest.filter(|rest| !rest.is_empty());
            rest.ok_or_else(|| format!("{name} format specified but no {what} given"))
        };
        match name {
            "wide" => Ok(Self::Wide),
            "yaml" => Ok(Self::Yaml),
            "json" => Ok(Self::Json),
            "name" => Ok(Self::Name),
            "jsonpath" => template(needed("template")?).map(Self::JsonPath),
            "jsonpath-as-json" => template(needed("template")?).map(Self::JsonPathAsJson),
            "jsonpath-file" => Ok(Self::JsonPathFile(needed("file")?.into())),
            "custom-columns" => columns::given(needed("custom columns")?).map(Self::Columns),
            "custom-columns-file" => Ok(Self::ColumnsFile(needed("file")?.into())),
            "go-template" | "go-template-file" | "template" | "templatefile" => Err(format!(
                "{name} is not spoken here: say it with jsonpath or custom-columns"
            )),
            other => Err(format!(
                "unable to match a printer suitable for the output format {other:?}, allowed formats \
                 are: {FORMS}"
            )),
        }
    }
}

impl Form {
    /// Whether it is a table that labels can be added to.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }

    /// The file that says the rest, and what it is then, once its text is known.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::JsonPathFile(file) | Self::ColumnsFile(file) => Some(file),
            _ => None,
        }
    }

    /// The form with what stands in its file.
    pub(crate) fn with_file(self, text: &str) -> Result<Self, String> {
        match self {
            Self::JsonPathFile(_) => template(text).map(Self::JsonPath),
            Self::ColumnsFile(_) => columns::in_file(text).map(Self::Columns),
            other => Ok(other),
        }
    }
}

fn template(text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|error| format!("error parsing jsonpath {text}, {error}"))
}

/// What a template finds, as kubectl prints it with `jsonpath-as-json`.
pub(crate) fn found_as_json(template: &Template, object: &Value) -> Result<Value, String> {
    let lists = template.find(object).map_err(|error| error.to_string())?;
    Ok(lists.into_iter().flatten().collect::<Vec<_>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_named_as_for_kubectl() {
        for (text, form) in [
            ("wide", Form::Wide),
            ("yaml", Form::Yaml),
            ("name", Form::Name),
        ] {
            assert_eq!(text.parse(), Ok(form));
        }
        assert_eq!(
            "jsonpath-file=/x=y".parse(),
            Ok(Form::JsonPathFile("/x=y".into()))
        );
        assert!(matches!("jsonpath={.a}".parse(), Ok(Form::JsonPath(_))));
        assert!(matches!(
            "custom-columns=A:.a".parse(),
            Ok(Form::Columns(_))
        ));
    }

    #[test]
    fn what_is_no_form_is_refused_by_name() {
        for (text, words) in [
            (
                "xml",
                "unable to match a printer suitable for the output format \"xml\"",
            ),
            ("go-template={{.x}}", "jsonpath or custom-columns"),
            (
                "jsonpath",
                "jsonpath format specified but no template given",
            ),
            (
                "jsonpath={.a",
                "error parsing jsonpath {.a, unclosed action",
            ),
            (
                "custom-columns=",
                "custom-columns format specified but no custom columns given",
            ),
        ] {
            let refused = text.parse::<Form>().unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn what_stands_in_a_file_is_read_with_it() {
        let form: Form = "jsonpath-file=x".parse().unwrap();
        assert_eq!(form.file(), Some(&"x".into()));
        let form = form.with_file("{.a}").unwrap();
        assert_eq!(form, "jsonpath={.a}".parse().unwrap());
        let form: Form = "custom-columns-file=x".parse().unwrap();
        let form = form
            .with_file("NAME  AGE\n.metadata.name {.age}\n")
            .unwrap();
        assert_eq!(
            form,
            "custom-columns=NAME:.metadata.name,AGE:{.age}"
                .parse()
                .unwrap()
        );
    }
}
