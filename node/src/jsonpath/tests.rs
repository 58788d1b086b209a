//! kubectl's dialect, a row for each thing it can say.

use serde_json::{Value, json};

use super::*;

fn list() -> Value {
    json!({
        "kind": "List",
        "items": [
            {
                "metadata": { "name": "a", "labels": { "example.com/app": "web", "tier": "<1>" } },
                "spec": { "containers": [{ "name": "x", "ports": [80, 443] }, { "name": "y" }] },
                "status": { "ready": true, "restarts": 3, "load": 1.5 },
            },
            {
                "metadata": { "name": "b" },
                "spec": { "containers": [{ "name": "z", "ports": [] }] },
                "status": { "ready": false, "restarts": 0, "reason": null },
            },
        ],
    })
}

fn rendered(template: &str) -> Result<String, String> {
    let template = Template::parse(template).map_err(|error| error.to_string())?;
    template.render(&list()).map_err(|error| error.to_string())
}

#[test]
fn a_template_says_what_kubectls_would() {
    let rows = [
        ("plain text", "plain text"),
        ("kind is {.kind}!", "kind is List!"),
        ("{$.kind}{@.kind}{kind_}", "unrecognized identifier kind_"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[-1].metadata.name}", "b"),
        ("{.items[-1:].metadata.name}", "b"),
        ("{.items[:1].metadata.name}", "a"),
        ("{.items[0:2].metadata.name}", "a b"),
        ("{.items[0].spec.containers[::2].name}", "x"),
        ("{.items[1:1].metadata.name}", ""),
        ("{.items[0,1].metadata.name}", "a b"),
        ("{.items[0]['metadata','spec']['name']}", "a"),
        ("{.items[0].status['restarts','ready']}", "3 true"),
        ("{.items[0].metadata.labels.example\\.com/app}", "web"),
        ("{.items[0].metadata.labels['example\\.com/app']}", "web"),
        (
            "{.items[0].metadata.labels}",
            r#"{"example.com/app":"web","tier":"\u003c1\u003e"}"#,
        ),
        ("{.items[0].spec.containers[*].ports}", "[80,443]"),
        ("{.items[0].spec.containers[0].ports[*]}", "80 443"),
        ("{.items[0].status.*}", "1.5 true 3"),
        ("{..name}", "a x y b z"),
        ("{.items[0]..name}", "a x y"),
        ("{.items[1].status.reason}", "null"),
        ("{.items[*].status.missing.deeper}", ""),
        (r#"{.items[?(@.metadata.name=="b")].status.ready}"#, "false"),
        (r"{.items[?(@.metadata.name != 'b')].metadata.name}", "a"),
        ("{.items[?(@.status.restarts > 1)].metadata.name}", "a"),
        ("{.items[?(@.status.restarts<=3)].metadata.name}", "a b"),
        ("{.items[?(@.status.load>=1.5)].metadata.name}", "a"),
        ("{.items[?(@.status.ready==true)].metadata.name}", "a"),
        ("{.items[?(@.metadata.labels)].metadata.name}", "a"),
        ("{.items[?(@.spec.containers[1])].metadata.name}", "a"),
        (r#"{.items[?(@.metadata.name=="a)b")].kind}"#, ""),
        (
            r#"{"quoted\t\"x\"\n"}{'single\'s'}"#,
            "quoted\t\"x\"\nsingle's",
        ),
        ("{5}{-1}{2.5}{true}", "5-12.5true"),
        (
            "{range .items[*]}{.metadata.name}={.status.restarts};{end}",
            "a=3;b=0;",
        ),
        (
            "{range .items[*]}{.metadata.name}:{range .spec.containers[*]} {.name}{end}{\"\\n\"}{end}done",
            "a: x y\nb: z\ndone",
        ),
        ("{range .items[*]}{.metadata.name}", "ab"),
        ("{range .nothing[*]}{.x}{end}after", "after"),
    ];
    for (template, expected) in rows {
        let said = rendered(template).unwrap_or_else(|error| error);
        assert_eq!(said, expected, "{template}");
    }
}

#[test]
fn what_cannot_be_is_refused_in_kubectls_words() {
    let rows = [
        (
            "{.items[5]}",
            "array index out of bounds: index 5, length 2",
        ),
        (
            "{.items[-3]}",
            "array index out of bounds: index -1, length 2",
        ),
        (
            "{.items[0:5]}",
            "array index out of bounds: index 4, length 2",
        ),
        (
            "{.items[1:0]}",
            "starting index 1 is greater than ending index 0",
        ),
        ("{.items[::0]}", "step must be > 0"),
        ("{.kind[0]}", "string is not array or slice"),
        (
            "{.items[0][*]}",
            "map[string]interface {} is not array or slice",
        ),
        (
            "{.kind[?(@.a)]}",
            "List is not array or slice and cannot be filtered",
        ),
        (
            r#"{.items[?(@.status.restarts=="3")]}"#,
            "incompatible types for comparison",
        ),
        (
            "{.items[?(@.status.ready<true)]}",
            "incompatible types for comparison",
        ),
        (
            "{.items[?(@.spec.containers[*].name=='x')]}",
            "can only compare one element at a time",
        ),
        (
            "{.items[?(@.a=~'x')]}",
            "unrecognized character in action: '~'",
        ),
        ("{.items[?(@.a=1)]}", "unrecognized filter operator ="),
        ("{.items[?(@.a==1)", "unclosed array expect ]"),
        ("{.items[?(@.a==1", "unterminated filter"),
        ("{.items[a]}", "invalid array index a"),
        ("{.items[0", "unterminated array"),
        ("{.kind", "unclosed action"),
        ("{\"abc}", "unterminated quoted string"),
        (r#"{"\q"}"#, "unquote string \"\\q\" error invalid syntax"),
        ("{end}", "not in range, nothing to end"),
        ("{....a}", "invalid multiple recursive descent"),
        ("{1.2.3}", "cannot parse number 1.2.3"),
        ("{(}", "unrecognized character in action: '('"),
        ("{template}", "unrecognized identifier template"),
    ];
    for (template, expected) in rows {
        assert_eq!(rendered(template), Err(expected.to_owned()), "{template}");
    }
}

#[test]
fn one_path_may_be_written_without_its_braces() {
    for text in [
        ".metadata.name",
        "metadata.name",
        "{.metadata.name}",
        "{metadata.name}",
    ] {
        let path = Template::relaxed(text).unwrap();
        assert_eq!(path.render(&list()["items"][0]).unwrap(), "a", "{text}");
    }
    for text in ["", "{}", "{.a}{.b}", "a{", "."] {
        assert_eq!(Template::relaxed(text), Err(ParseError::NoPath), "{text}");
    }
}

#[test]
fn values_are_printed_in_columns_as_go_prints_them() {
    let value = json!({ "a": [1, "b", null], "c": { "d": true } });
    assert_eq!(go_text(&value), "map[a:[1 b <nil>] c:map[d:true]]");
}
