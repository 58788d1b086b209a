//! Files as people write them, and files that make no sense.

use super::*;

fn registry() -> Endpoint {
    Endpoint {
        host: "r.io".into(),
        base: "https://r.io/v2".into(),
        role: Role::Registry,
        capabilities: Capabilities::default(),
        tls: Tls::default(),
        headers: Vec::new(),
        dial_timeout: None,
    }
}

fn read(text: &str) -> Result<Vec<Endpoint>, HostsError> {
    parse(text, Path::new("/certs.d/r.io/hosts.toml"), registry())
}

fn bases(text: &str) -> Vec<String> {
    let endpoints = read(text).unwrap();
    endpoints
        .into_iter()
        .map(|endpoint| endpoint.base)
        .collect()
}

#[test]
fn mirrors_come_in_the_order_of_the_file_and_the_registry_last() {
    let text = r#"
        server = "https://upstream.io"
        [host."https://z.io"]
        [host."http://a.io:5000"]
          capabilities = ["pull"]
        [host."m.io"]
    "#;
    let bases = bases(text);
    assert_eq!(
        bases,
        [
            "https://z.io/v2",
            "http://a.io:5000/v2",
            "https://m.io/v2",
            "https://upstream.io/v2"
        ]
    );
    let endpoints = read(text).unwrap();
    assert!(endpoints[0].capabilities.resolve);
    assert!(!endpoints[1].capabilities.resolve && endpoints[1].capabilities.pull);
    assert_eq!(endpoints[2].role, Role::Mirror);
    assert_eq!(endpoints[3].role, Role::Registry);
}

#[test]
fn without_a_server_the_registry_itself_comes_last() {
    assert_eq!(
        bases("[host.\"https://m.io\"]"),
        ["https://m.io/v2", "https://r.io/v2"]
    );
    assert_eq!(bases(""), ["https://r.io/v2"]);
}

#[test]
fn a_path_leads_to_the_api_unless_it_is_the_api() {
    for (address, keys, base) in [
        ("https://h.io/", "", "https://h.io/v2"),
        ("https://h.io/proxy", "", "https://h.io/proxy/v2"),
        ("https://h.io/v2/hub", "", "https://h.io/v2/hub/v2"),
        (
            "https://h.io/v2/hub/",
            "override_path = true",
            "https://h.io/v2/hub",
        ),
        ("https://h.io/proxy/v2", "", "https://h.io/proxy/v2"),
        ("https://h.io", "override_path = true", "https://h.io"),
    ] {
        assert_eq!(bases(&format!("[host.\"{address}\"]\n{keys}"))[0], base);
    }
}

#[test]
fn everything_about_tls_is_read_relative_to_the_file() {
    let text = r#"
        ca = "ca.crt"
        client = [["me.cert", "/keys/me.key"]]
        skip_verify = true
        dial_timeout = "1m30s"
        header = { x-team = ["a", "b"], x-one = "1" }
    "#;
    let endpoint = read(text).unwrap().remove(0);
    assert_eq!(
        endpoint.tls.authorities,
        [Path::new("/certs.d/r.io/ca.crt")]
    );
    let client = endpoint.tls.client.unwrap();
    assert_eq!(client.certificate, Path::new("/certs.d/r.io/me.cert"));
    assert_eq!(client.key.as_deref(), Some(Path::new("/keys/me.key")));
    assert!(endpoint.tls.skip_verify);
    assert_eq!(endpoint.dial_timeout, Some(Duration::from_secs(90)));
    let headers = endpoint.headers.iter();
    let headers: Vec<String> = headers
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(headers, ["x-one=1", "x-team=a", "x-team=b"]);
    for client in ["\"both.pem\"", "[\"both.pem\"]"] {
        let endpoint = read(&format!("client = {client}")).unwrap().remove(0);
        assert_eq!(endpoint.tls.client.unwrap().key, None);
    }
}

#[test]
fn a_table_for_the_registrys_own_address_is_about_the_registry() {
    let endpoints = read("[host.\"https://r.io\"]\nca = \"ca.crt\"").unwrap();
    assert_eq!(endpoints[0].role, Role::Registry);
}

#[test]
fn what_makes_no_sense_is_named_with_its_file() {
    for (text, word) in [
        ("server = ", "hosts.toml"),
        ("server = 5", "hosts.toml"),
        ("capabilities = [\"fly\"]", "fly"),
        ("server = \"ftp://r.io\"", "ftp"),
        ("server = \"https://me:secret@r.io\"", "not the address"),
        ("dial_timeout = \"soon\"", "soon"),
        ("client = [[\"a\", \"b\", \"c\"]]", "a key"),
        ("client = [\"a\", \"b\"]", "only one"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(
            error.contains(word) && error.contains("r.io/hosts.toml"),
            "{text}: {error}"
        );
    }
}
