//! Tables whose columns the user names, each with a path.

use serde_json::Value;

use crate::jsonpath::{EvaluateError, Template, go_text};

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    header: String,
    path: Template,
}

/// Columns as `NAME:.metadata.name,AGE:.age`.
pub(crate) fn given(text: &str) -> Result<Vec<Column>, String> {
    let columns = text.split(',').map(|one| {
        let (header, path) = one.split_once(':').ok_or_else(|| {
            format!("unexpected custom-columns spec: {one}, expected <header>:<json-path-expr>")
        })?;
        column(header, path)
    });
    columns.collect()
}

/// Columns of a file: a line of headers, and below it a line of paths.
pub(crate) fn in_file(text: &str) -> Result<Vec<Column>, String> {
    const EXPECTED: &str = "Expected format is one line of space separated headers, one line of space separated \
         column specs.";
    let mut lines = text.lines();
    let mut line = |what: &str| {
        let line = lines.next();
        line.ok_or_else(|| format!("invalid template, missing {what} line. {EXPECTED}"))
    };
    let headers: Vec<_> = line("header")?.split_whitespace().collect();
    let paths: Vec<_> = line("spec")?.split_whitespace().collect();
    if headers.len() != paths.len() {
        return Err(format!(
            "number of headers ({}) and field specifications ({}) don't match",
            headers.len(),
            paths.len()
        ));
    }
    let pairs = headers.into_iter().zip(paths);
    pairs.map(|(header, path)| column(header, path)).collect()
}

fn column(header: &str, path: &str) -> Result<Column, String> {
    let path = Template::relaxed(path).map_err(|error| error.to_string())?;
    Ok(Column {
        header: header.to_owned(),
        path,
    })
}

/// The headers.
pub(crate) fn headers(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.header.clone()).collect()
}

/// The row of an object; several values of a column stand in one cell.
pub(crate) fn row(columns: &[Column], object: &Value) -> Result<Vec<String>, EvaluateError> {
    let cell = |column: &Column| {
        let found: Vec<_> = column.path.find(object)?.into_iter().flatten().collect();
        if found.is_empty() {
            return Ok("<none>".to_owned());
        }
        let texts: Vec<_> = found.iter().map(go_text).collect();
        Ok(texts.join(","))
    };
    columns.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_column_has_what_its_path_finds() {
        let text = "NAME:.metadata.name,PORTS:spec.ports[*],NONE:.x,LABELS:{.metadata.labels}";
        let columns = given(text).unwrap();
        assert_eq!(headers(&columns), ["NAME", "PORTS", "NONE", "LABELS"]);
        let object = json!({
            "metadata": { "name": "web", "labels": { "a": "b" } }, "spec": { "ports": [80, 443] },
        });
        let row = row(&columns, &object).unwrap();
        assert_eq!(row, ["web", "80,443", "<none>", "map[a:b]"]);
    }

    #[test]
    fn what_is_no_column_is_refused() {
        assert_eq!(
            given("NAME").unwrap_err(),
            "unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>"
        );
        assert!(given("NAME:{.a}{.b}").is_err());
        assert!(
            in_file("A B\n.a\n")
                .unwrap_err()
                .starts_with("number of headers (2)")
        );
        assert!(in_file("A B").unwrap_err().contains("missing spec line"));
    }
}
