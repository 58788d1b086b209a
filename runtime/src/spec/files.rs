//! The texts of the files that a pod's containers share.

use super::SpecError;
use crate::model::config::DnsConfig;

/// The pod's /etc/resolv.conf.
pub fn resolv_conf(dns: &DnsConfig) -> Result<String, SpecError> {
    let mut text = String::new();
    for server in words("name server", &dns.servers)? {
        text.push_str(&format!("nameserver {server}\n"));
    }
    for (keyword, name, list) in [
        ("search", "search domain", &dns.searches),
        ("options", "resolver option", &dns.options),
    ] {
        let words = words(name, list)?;
        if !words.is_empty() {
            text.push_str(&format!("{keyword} {}\n", words.join(" ")));
        }
    }
    Ok(text)
}

/// The pod's /etc/hostname.
pub fn hostname(name: &str) -> Result<String, SpecError> {
    check_word("hostname", name)?;
    Ok(format!("{name}\n"))
}

fn words<'a>(name: &'static str, list: &'a [String]) -> Result<Vec<&'a str>, SpecError> {
    list.iter()
        .map(|word| check_word(name, word).map(|()| word.as_str()))
        .collect()
}

/// A newline or a space would make a line of its own, or a word nobody asked for.
fn check_word(name: &'static str, word: &str) -> Result<(), SpecError> {
    let is_bad = |c: char| c.is_whitespace() || c.is_control();
    if word.is_empty() || word.contains(is_bad) {
        return Err(SpecError::FileWord(name, word.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_resolv_conf_has_a_line_for_each_server_and_one_for_each_list() {
        let dns = DnsConfig {
            servers: words("10.96.0.10 fd00::a"),
            searches: words("default.svc.cluster.local svc.cluster.local"),
            options: words("ndots:5 edns0"),
        };
        assert_eq!(
            resolv_conf(&dns).unwrap(),
            "nameserver 10.96.0.10\nnameserver fd00::a\n\
             search default.svc.cluster.local svc.cluster.local\noptions ndots:5 edns0\n"
        );
        assert_eq!(resolv_conf(&DnsConfig::default()).unwrap(), "");
    }

    #[test]
    fn words_that_would_make_lines_of_their_own_are_refused() {
        for word in ["", "1.1.1.1\nnameserver 6.6.6.6", "a b", "a\0", "a\r"] {
            let list = vec![word.to_owned()];
            for dns in [
                DnsConfig {
                    servers: list.clone(),
                    ..Default::default()
                },
                DnsConfig {
                    searches: list.clone(),
                    ..Default::default()
                },
                DnsConfig {
                    options: list.clone(),
                    ..Default::default()
                },
            ] {
                assert!(
                    matches!(resolv_conf(&dns), Err(SpecError::FileWord(..))),
                    "{word:?}"
                );
            }
            assert!(hostname(word).is_err());
        }
        assert_eq!(hostname("web-0").unwrap(), "web-0\n");
    }
}
