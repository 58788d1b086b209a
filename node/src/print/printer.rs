//! Objects in the form that was asked for, one list at once or one after the other.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::columns;
use super::form::{self, Form};
use super::object::{self, list, to_json, to_yaml};
use super::rows::{self, Looks};
use super::table::Widths;
use crate::jsonpath::EvaluateError;
use crate::resource::{Resource, name};

/// Why an object could not be printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrintError {
    /// It cannot be written.
    #[error(transparent)]
    Object(#[from] object::PrintError),
    /// It is no object of its kind.
    #[error("the object is not of its kind")]
    Row(#[from] serde_json::Error),
    /// The template does not fit it.
    #[error("error executing jsonpath")]
    Template(#[from] EvaluateError),
    /// The same, for a list of what was found.
    #[error("error executing jsonpath: {0}")]
    Found(String),
}

/// Whether tables have a first line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Headers {
    /// They have.
    #[default]
    Shown,
    /// They have not, or it has been printed.
    Left,
}

/// Prints objects of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    resource: Resource,
    form: Form,
    looks: Looks,
    headers: Headers,
    widths: Widths,
    /// Whether YAML has been printed, from which more is to be parted.
    has_document: bool,
}

/// An object, and what a watch says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    /// `ADDED`, say.
    pub(crate) event: &'a str,
    /// The object.
    pub(crate) object: &'a Value,
}

impl Printer {
    /// A printer.
    pub(crate) fn new(resource: Resource, form: Form, looks: Looks, headers: Headers) -> Self {
        Self {
            resource,
            form,
            looks,
            headers,
            widths: Widths::default(),
            has_document: false,
        }
    }

    /// Whether it prints something for each object, never a list.
    pub(crate) fn is_tabular(&self) -> bool {
        matches!(
            self.form,
            Form::Table | Form::Wide | Form::Columns(_) | Form::Name
        )
    }

    /// Whether people read it, who want to know that there is nothing.
    pub(crate) fn is_for_people(&self) -> bool {
        self.form.is_table()
    }

    /// Several objects at once: as one list, where the form has lists.
    pub(crate) fn list(&mut self, objects: &[Value], now: Timestamp) -> Result<String, PrintError> {
        match &self.form {
            Form::Table | Form::Wide | Form::Columns(_) | Form::Name => {
                let event = "";
                let told: Vec<_> = objects
                    .iter()
                    .map(|object| Told { event, object })
                    .collect();
                self.each(&told, now)
            }
            _ => self.document(&list(objects.to_vec())),
        }
    }

    /// Objects one by one, as a watch tells them.
    pub(crate) fn each(&mut self, told: &[Told<'_>], now: Timestamp) -> Result<String, PrintError> {
        match &self.form {
            Form::Table | Form::Wide => {
                let row = |one: &Told<'_>| {
                    rows::row(self.resource, &self.looks, one.object, one.event, now)
                };
                let rows = told.iter().map(row).collect::<Result<Vec<_>, _>>()?;
                let header = rows::header(self.resource, &self.looks);
                Ok(self.table(header, rows))
            }
            Form::Columns(wanted) => {
                let rows = told.iter().map(|one| columns::row(wanted, one.object));
                let rows = rows.collect::<Result<Vec<_>, _>>()?;
                let header = columns::headers(wanted);
                Ok(self.table(header, rows))
            }
            Form::Name => {
                let line =
                    |one: &Told<'_>| format!("{}/{}\n", self.resource.word(), name(one.object));
                Ok(told.iter().map(line).collect())
            }
            _ => {
                let documents = told.iter().map(|one| {
                    let watched = || json!({ "type": one.event, "object": one.object });
                    match self.looks.watch_event {
                        true => self.document(&watched()),
                        false => self.document(one.object),
                    }
                });
                documents.collect()
            }
        }
    }

    /// One object, or one list.
    pub(crate) fn document(&mut self, object: &Value) -> Result<String, PrintError> {
        match &self.form {
            Form::Json => Ok(to_json(object)?),
            Form::Yaml => {
                let again = std::mem::replace(&mut self.has_document, true);
                let parting = if again { "---\n" } else { "" };
                Ok(format!("{parting}{}", to_yaml(object)?))
            }
            Form::JsonPath(template) => Ok(template.render(object)?),
            Form::JsonPathAsJson(template) => {
                let found = form::found_as_json(template, object).map_err(PrintError::Found)?;
                Ok(to_json(&found)?)
            }
            Form::Table
            | Form::Wide
            | Form::Name
            | Form::Columns(_)
            | Form::JsonPathFile(_)
            | Form::ColumnsFile(_) => Ok(String::new()),
        }
    }

    fn table(&mut self, header: Vec<String>, mut rows: Vec<Vec<String>>) -> String {
        let is_custom = matches!(self.form, Form::Columns(_));
        if self.headers == Headers::Shown && (is_custom || !rows.is_empty()) {
            rows.insert(0, header);
            self.headers = Headers::Left;
        }
        self.widths.lay_out(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer(form: &str) -> Printer {
        let form = form.parse().unwrap();
        Printer::new(Resource::Nodes, form, Looks::default(), Headers::Shown)
    }

    fn node(name: &str) -> Value {
        json!({ "metadata": { "name": name } })
    }

    fn told(object: &Value) -> [Told<'_>; 1] {
        [Told {
            event: "ADDED",
            object,
        }]
    }

    #[test]
    fn a_watched_table_has_its_header_once() {
        let mut printer = printer("custom-columns=NAME:.metadata.name,X:.x");
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(printer.list(&[], now).unwrap(), "NAME   X\n");
        let first = printer.each(&told(&node("a-long-name")), now).unwrap();
        assert_eq!(first, "a-long-name   <none>\n");
        let second = printer.each(&told(&node("b")), now).unwrap();
        assert_eq!(second, "b             <none>\n");
    }

    #[test]
    fn documents_of_a_watch_are_parted() {
        let now = Timestamp::UNIX_EPOCH;
        let mut yaml = printer("yaml");
        assert_eq!(
            yaml.each(&told(&node("a")), now).unwrap(),
            "metadata:\n  name: a\n"
        );
        assert_eq!(
            yaml.each(&told(&node("b")), now).unwrap(),
            "---\nmetadata:\n  name: b\n"
        );
        let mut path = printer("jsonpath={.metadata.name};");
        assert_eq!(path.each(&told(&node("a")), now).unwrap(), "a;");
        let mut names = printer("name");
        assert_eq!(
            names.list(&[node("a"), node("b")], now).unwrap(),
            "node/a\nnode/b\n"
        );
    }

    #[test]
    fn a_list_is_one_document() {
        let now = Timestamp::UNIX_EPOCH;
        let nodes = [node("a"), node("b")];
        let mut path = printer("jsonpath={.kind}: {.items[*].metadata.name}");
        assert_eq!(path.list(&nodes, now).unwrap(), "List: a b");
        let mut json = printer("jsonpath-as-json={.items[*].metadata.name}");
        assert_eq!(
            json.list(&nodes, now).unwrap(),
            "[\n    \"a\",\n    \"b\"\n]\n"
        );
    }

    #[test]
    fn what_a_watch_says_can_be_printed_with_the_object() {
        let looks = Looks {
            watch_event: true,
            ..Looks::default()
        };
        let mut printer = Printer::new(Resource::Nodes, Form::Json, looks, Headers::Shown);
        let text = printer
            .each(&told(&node("a")), Timestamp::UNIX_EPOCH)
            .unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&value["type"], &value["object"]["metadata"]["name"]),
            (&"ADDED".into(), &"a".into())
        );
    }
}
