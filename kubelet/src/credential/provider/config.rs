//! A CredentialProviderConfig: every field, every mistake.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use serde::Deserialize;

use crate::config;
use crate::yaml::{Read, Refusal, documents};

/// Versions of the configuration; they say the same.
const VERSIONS: [&str; 3] = [
    "kubelet.config.k8s.io/v1",
    "kubelet.config.k8s.io/v1beta1",
    "kubelet.config.k8s.io/v1alpha1",
];

/// Versions in which programs are asked; they say the same.
const EXCHANGES: [&str; 3] = [
    "credentialprovider.kubelet.k8s.io/v1",
    "credentialprovider.kubelet.k8s.io/v1alpha1",
    "credentialprovider.kubelet.k8s.io/v1beta1",
];

/// One program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Its file's name.
    pub(super) name: String,
    /// The images that it is asked about.
    pub(super) match_images: Vec<String>,
    /// How long an answer holds that does not say it.
    pub(super) default_cache_duration: Duration,
    /// The version in which it is asked.
    pub(super) api_version: String,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// Variables beside those of the kubelet.
    pub(super) env: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    api_version: String,
    kind: String,
    #[serde(default)]
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    #[serde(default)]
    name: String,
    #[serde(default)]
    match_images: Vec<String>,
    default_cache_duration: Option<config::Duration>,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<Variable>,
    token_attributes: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

/// The programs of a file, or everything that is wrong with it.
pub(super) fn read(text: &str) -> Result<Vec<Settings>, Vec<String>> {
    let refused = |refusal: Refusal| vec![format!("line {}: {refusal}", refusal.line)];
    let mut trees = Vec::new();
    for document in documents(text) {
        trees.extend(document.tree().map_err(refused)?);
    }
    let [tree] = trees.as_slice() else {
        let many = trees.len();
        return Err(vec![format!(
            "must hold one CredentialProviderConfig and holds {many} documents"
        )]);
    };
    let Read {
        value: file,
        unknown,
    } = tree.read::<File>().map_err(refused)?;
    let unknown = unknown.iter();
    let mut problems: Vec<_> = unknown
        .map(|field| format!("unknown field {field:?}"))
        .collect();
    if !VERSIONS.contains(&file.api_version.as_str()) || file.kind != "CredentialProviderConfig" {
        let File {
            api_version, kind, ..
        } = &file;
        problems.push(format!(
            "apiVersion {api_version:?}, kind {kind:?} is no {} CredentialProviderConfig",
            VERSIONS[0]
        ));
    }
    if file.providers.is_empty() {
        problems
            .push("providers: Required value: at least 1 item in plugins is required".to_owned());
    }
    for provider in &file.providers {
        check(provider, &mut problems);
    }
    if problems.is_empty() {
        Ok(file.providers.into_iter().map(settings).collect())
    } else {
        Err(problems)
    }
}

fn check(provider: &Provider, problems: &mut Vec<String>) {
    let name = &provider.name;
    let mut wrong = |field: &str, what: &str| {
        problems.push(format!("providers[{name}].{field}: {what}"));
    };
    if name.is_empty() {
        wrong("name", "Required value");
    }
    if name.contains(['/', ' ']) || matches!(name.as_str(), "." | "..") {
        wrong(
            "name",
            "Invalid value: provider name cannot contain '/' or spaces, and not be '.' or '..'",
        );
    }
    match provider.api_version.as_str() {
        "" => wrong("apiVersion", "Required value"),
        version if !EXCHANGES.contains(&version) => {
            let known = format!("Unsupported value: {version:?}: supported values: {EXCHANGES:?}");
            wrong("apiVersion", &known);
        }
        _ => {}
    }
    if provider.match_images.is_empty() {
        wrong(
            "matchImages",
            "Required value: at least 1 item in matchImages is required",
        );
    }
    for pattern in provider.match_images.iter().filter(|one| !is_pattern(one)) {
        let what = format!("Invalid value: {pattern:?}: must be a registry without a scheme");
        wrong("matchImages", &what);
    }
    match provider.default_cache_duration {
        None => wrong("defaultCacheDuration", "Required value"),
        Some(duration) if duration.is_negative() => wrong(
            "defaultCacheDuration",
            "Invalid value: must be greater than or equal to 0",
        ),
        Some(_) => {}
    }
    if provider.token_attributes.is_some() {
        wrong(
            "tokenAttributes",
            "Forbidden: tokens of service accounts come from an API server, and this kubelet has none",
        );
    }
}

fn is_pattern(pattern: &str) -> bool {
    let host = pattern.split('/').next().unwrap_or_default();
    !host.is_empty() && !pattern.contains("://") && !pattern.contains(char::is_whitespace)
}

fn settings(provider: Provider) -> Settings {
    let lasts = provider
        .default_cache_duration
        .map(config::Duration::to_std);
    let env = provider.env.into_iter().map(|one| (one.name, one.value));
    Settings {
        name: provider.name,
        match_images: provider.match_images,
        default_cache_duration: lasts.unwrap_or_default(),
        api_version: provider.api_version,
        args: provider.args,
        env: env.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\n";

    #[test]
    fn a_configuration_is_read_whole() {
        let text = format!(
            "{HEADER}providers:\n- name: ecr\n  matchImages: ['*.example.com', 'host:5000/team']\n  \
             defaultCacheDuration: 12h\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n  \
             args: [get]\n  env: [{{name: A, value: b}}]\n"
        );
        let settings = read(&text).unwrap();
        assert_eq!(settings[0].default_cache_duration.as_secs(), 12 * 3600);
        assert_eq!(settings[0].env, [("A".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn every_mistake_is_told() {
        let told = read(&format!(
            "{HEADER}providers:\n- name: a b\n  matchImages: ['https://x']\n  apiVersion: v2\n- {{}}\n"
        ));
        assert_eq!(told.unwrap_err().len(), 8);
        let rows = [
            "providers: []\n".to_owned(),
            HEADER.to_owned(),
            format!("{HEADER}providers: [{{nam: x}}]\n"),
            HEADER.replace("v1\n", "v2\n"),
        ];
        for text in rows {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
