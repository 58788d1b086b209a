//! Pieces that sandboxes and containers share.

use podling_proto::runtime::v1 as cri;

use super::user_namespace::user_namespace;
use super::{DecodeError, invalid};
use crate::model::config::{NamespaceMode, Namespaces, SecurityProfile};
use crate::model::selinux::SelinuxOptions;

/// A uid or gid: CRI carries them as 64 bits, the kernel knows 32, and -1 means "leave alone" to it.
pub(super) fn id32(
    field: &'static str,
    value: Option<cri::Int64Value>,
) -> Result<Option<u32>, DecodeError> {
    value.map(|value| group(field, value.value)).transpose()
}

/// One supplemental group, or any other id.
pub(super) fn group(field: &'static str, value: i64) -> Result<u32, DecodeError> {
    match u32::try_from(value) {
        Ok(id) if id <= i32::MAX as u32 => Ok(id),
        _ => Err(invalid(field, value, "an id is 0 to 2147483647")),
    }
}

/// Supplemental groups.
pub(super) fn groups(values: Vec<i64>) -> Result<Vec<u32>, DecodeError> {
    values
        .into_iter()
        .map(|value| group("supplemental_groups", value))
        .collect()
}

/// The namespaces of a sandbox or container.
pub(super) fn namespaces(options: Option<cri::NamespaceOption>) -> Result<Namespaces, DecodeError> {
    let Some(options) = options else {
        return Ok(Namespaces::default());
    };
    let cri::NamespaceOption {
        network,
        pid,
        ipc,
        target_id,
        userns_options,
    } = options;
    let namespaces = Namespaces {
        network: pod_or_node("namespace_options.network", network)?,
        pid: mode("namespace_options.pid", pid, target_id)?,
        ipc: pod_or_node("namespace_options.ipc", ipc)?,
        user: user_namespace(userns_options)?,
    };
    let is_hosts = |mode: &NamespaceMode| *mode == NamespaceMode::Node;
    if namespaces.user.is_some() && (is_hosts(&namespaces.pid) || is_hosts(&namespaces.ipc)) {
        let rule = "a pod with a user namespace cannot use the host's pid or ipc namespace";
        return Err(invalid("namespace_options.userns_options", "POD", rule));
    }
    Ok(namespaces)
}

fn pod_or_node(field: &'static str, value: i32) -> Result<NamespaceMode, DecodeError> {
    match mode(field, value, String::new())? {
        known @ (NamespaceMode::Pod | NamespaceMode::Node) => Ok(known),
        _ => Err(invalid(field, value, "POD or NODE is expected")),
    }
}

fn mode(field: &'static str, value: i32, target: String) -> Result<NamespaceMode, DecodeError> {
    match cri::NamespaceMode::try_from(value) {
        Ok(cri::NamespaceMode::Pod) => Ok(NamespaceMode::Pod),
        Ok(cri::NamespaceMode::Container) => Ok(NamespaceMode::Container),
        Ok(cri::NamespaceMode::Node) => Ok(NamespaceMode::Node),
        Ok(cri::NamespaceMode::Target) => Ok(NamespaceMode::Target(target)),
        Err(_) => Err(invalid(field, value, "a NamespaceMode is expected")),
    }
}

/// A seccomp or AppArmor profile: the new field wins over the deprecated string.
pub(super) fn profile(
    field: &'static str,
    profile: Option<cri::SecurityProfile>,
    deprecated: &str,
) -> Result<SecurityProfile, DecodeError> {
    use cri::security_profile::ProfileType;
    let Some(cri::SecurityProfile {
        profile_type,
        localhost_ref,
    }) = profile
    else {
        return profile_path(field, deprecated);
    };
    let is_localhost = profile_type == i32::from(ProfileType::Localhost);
    if !is_localhost && !localhost_ref.is_empty() {
        let why = "only a Localhost profile has a reference";
        return Err(invalid(field, localhost_ref, why));
    }
    match ProfileType::try_from(profile_type) {
        Ok(ProfileType::RuntimeDefault) => Ok(SecurityProfile::RuntimeDefault),
        Ok(ProfileType::Unconfined) => Ok(SecurityProfile::Unconfined),
        Ok(ProfileType::Localhost) => localhost(field, localhost_ref),
        Err(_) => Err(invalid(field, profile_type, "a ProfileType is expected")),
    }
}

fn profile_path(field: &'static str, path: &str) -> Result<SecurityProfile, DecodeError> {
    match path {
        "" | "unconfined" => Ok(SecurityProfile::Unconfined),
        "runtime/default" | "docker/default" => Ok(SecurityProfile::RuntimeDefault),
        _ => match path.strip_prefix("localhost/") {
            Some(reference) => localhost(field, reference.to_owned()),
            None => Err(invalid(
                field,
                path,
                "unconfined, runtime/default or localhost/PROFILE is expected",
            )),
        },
    }
}

/// An empty reference once meant "unconfined" elsewhere (CVE-2023-2431).
fn localhost(field: &'static str, reference: String) -> Result<SecurityProfile, DecodeError> {
    if matches!(reference.as_str(), "" | "localhost/") {
        return Err(invalid(
            field,
            "\"\"",
            "a Localhost profile needs a reference",
        ));
    }
    // The prefix belongs to the older fields, and is written in the newer ones too.
    let name = reference.strip_prefix("localhost/").unwrap_or(&reference);
    Ok(SecurityProfile::Localhost(name.to_owned()))
}

/// What is named of an SELinux context; nothing, if nothing is.
pub(super) fn selinux(
    options: Option<cri::SeLinuxOption>,
) -> Result<Option<SelinuxOptions>, DecodeError> {
    let cri::SeLinuxOption {
        user,
        role,
        r#type,
        level,
    } = options.unwrap_or_default();
    let named = SelinuxOptions {
        user: context_word("selinux_options.user", user)?,
        role: context_word("selinux_options.role", role)?,
        kind: context_word("selinux_options.type", r#type)?,
        level: context_level(level)?,
    };
    Ok(Some(named).filter(|named| *named != SelinuxOptions::default()))
}

fn context_word(field: &'static str, word: String) -> Result<Option<String>, DecodeError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match word.chars().all(is_plain) {
        true => Ok(Some(word).filter(|word| !word.is_empty())),
        false => Err(invalid(
            field,
            word,
            "letters, digits, '_', '-' and '.' are expected",
        )),
    }
}

/// `s0`, `s0-s1`, and categories behind them: `s0:c1,c5.c9`.
fn context_level(level: String) -> Result<Option<String>, DecodeError> {
    let (sensitivities, categories) = match level.split_once(':') {
        Some((sensitivities, categories)) => (sensitivities, Some(categories)),
        None => (level.as_str(), None),
    };
    let is_sensitivity = |text: &str| is_numbered(text, 's', 1);
    let is_range = |text: &str| {
        let mut ends = text.split('.');
        ends.clone().count() <= 2 && ends.all(|end| is_numbered(end, 'c', 4))
    };
    let mut ends = sensitivities.split('-');
    let is_level = ends.clone().count() <= 2
        && ends.all(is_sensitivity)
        && categories.is_none_or(|all| all.split(',').all(is_range));
    match (level.is_empty(), is_level) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(level)),
        (false, false) => Err(invalid(
            "selinux_options.level",
            level,
            "a level such as s0:c1,c2 is expected",
        )),
    }
}

/// A letter and a number of so many digits at most.
fn is_numbered(text: &str, letter: char, digits: usize) -> bool {
    text.strip_prefix(letter).is_some_and(|number| {
        (1..=digits).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(level: &str) -> Result<Option<SelinuxOptions>, DecodeError> {
        selinux(Some(cri::SeLinuxOption {
            level: level.to_owned(),
            ..Default::default()
        }))
    }

    #[test]
    fn a_level_is_sensitivities_and_categories() {
        for good in ["s0", "s0-s1", "s0:c4,c5", "s0-s0:c0.c1023", "s0:c1,c5.c9"] {
            assert_eq!(level(good).unwrap().unwrap().level.as_deref(), Some(good));
        }
        for bad in [
            "s0,c4,c5",
            "c4",
            "s",
            "s0:",
            "s0:c",
            "s0:c10000",
            "s0:c1.c2.c3",
            "s0-s1-s2",
            "s0 ",
            "s0:c1\n",
            "S0",
        ] {
            assert!(level(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn who_names_nothing_asks_for_nothing() {
        assert_eq!(selinux(None).unwrap(), None);
        assert_eq!(selinux(Some(Default::default())).unwrap(), None);
        let with_colon = cri::SeLinuxOption {
            r#type: "spc_t:s0".to_owned(),
            ..Default::default()
        };
        assert!(selinux(Some(with_colon)).is_err());
    }
}
