//! Which AppArmor profile a container changes to.
//!
//! | request        | AppArmor is off | on, with our profile  | on, without          |
//! |----------------|-----------------|-----------------------|----------------------|
//! | nothing        | none            | ours                  | none, and a note     |
//! | RuntimeDefault | refused         | ours                  | refused              |
//! | Localhost      | refused         | the named one         | the named one        |
//! | Unconfined     | none            | none                  | none                 |
//!
//! A privileged container gets only what is named.

use super::{AppArmor, HostFacts, Note, SpecError};
use crate::model::config::{ContainerSecurity, SecurityProfile};

/// The profile's name, if there is one to change to.
pub(super) fn profile(
    security: &ContainerSecurity,
    host: &HostFacts,
    notes: &mut Vec<Note>,
) -> Result<Option<String>, SpecError> {
    let Some(asked) = &security.apparmor else {
        return Ok(unasked(security, host, notes));
    };
    match (asked, &host.apparmor) {
        (SecurityProfile::Unconfined, _) => Ok(None),
        (SecurityProfile::Localhost(name), _) if name.is_empty() => {
            Err(SpecError::EmptyProfile("AppArmor"))
        }
        (SecurityProfile::Localhost(name), AppArmor::Disabled) => {
            Err(SpecError::NoAppArmor(name.clone()))
        }
        (SecurityProfile::Localhost(name), AppArmor::Enabled { .. }) => Ok(Some(name.clone())),
        (SecurityProfile::RuntimeDefault, AppArmor::Disabled) => {
            Err(SpecError::NoAppArmor("runtime/default".to_owned()))
        }
        (SecurityProfile::RuntimeDefault, _) if security.privileged => Ok(None),
        (SecurityProfile::RuntimeDefault, AppArmor::Enabled { default_profile }) => default_profile
            .clone()
            .map(Some)
            .ok_or(SpecError::NoDefaultAppArmor),
    }
}

/// What a container gets whose client says nothing.
fn unasked(
    security: &ContainerSecurity,
    host: &HostFacts,
    notes: &mut Vec<Note>,
) -> Option<String> {
    match &host.apparmor {
        AppArmor::Enabled { default_profile } if !security.privileged => {
            if default_profile.is_none() {
                notes.push(Note::NoDefaultAppArmor);
            }
            default_profile.clone()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fixture;

    fn enabled(default_profile: Option<&str>) -> AppArmor {
        AppArmor::Enabled {
            default_profile: default_profile.map(str::to_owned),
        }
    }

    fn run(
        asked: Option<SecurityProfile>,
        privileged: bool,
        apparmor: AppArmor,
    ) -> Result<(Option<String>, usize), SpecError> {
        let security = ContainerSecurity {
            apparmor: asked,
            privileged,
            ..Default::default()
        };
        let host = HostFacts {
            apparmor,
            ..fixture::host()
        };
        let mut notes = Vec::new();
        profile(&security, &host, &mut notes).map(|profile| (profile, notes.len()))
    }

    #[test]
    fn a_named_profile_is_enforced_or_refused_never_ignored() {
        let named = || Some(SecurityProfile::Localhost("web".to_owned()));
        for privileged in [false, true] {
            let (profile, _) = run(named(), privileged, enabled(None)).unwrap();
            assert_eq!(profile.as_deref(), Some("web"));
        }
        let refused = run(named(), false, AppArmor::Disabled);
        assert!(matches!(refused, Err(SpecError::NoAppArmor(name)) if name == "web"));
        let empty = Some(SecurityProfile::Localhost(String::new()));
        let refused = run(empty, false, enabled(None));
        assert!(matches!(refused, Err(SpecError::EmptyProfile(_))));
    }

    #[test]
    fn who_asks_for_the_default_gets_it_or_an_error() {
        let default = || Some(SecurityProfile::RuntimeDefault);
        let got = run(default(), false, enabled(Some("ours"))).unwrap();
        assert_eq!(got, (Some("ours".to_owned()), 0));
        let got = run(default(), true, enabled(Some("ours"))).unwrap();
        assert_eq!(got, (None, 0), "privileged");
        let refused = run(default(), false, enabled(None));
        assert!(matches!(refused, Err(SpecError::NoDefaultAppArmor)));
        let refused = run(default(), false, AppArmor::Disabled);
        assert!(matches!(refused, Err(SpecError::NoAppArmor(_))));
    }

    #[test]
    fn who_asks_for_nothing_gets_the_default_where_there_is_one() {
        for (apparmor, privileged, expected) in [
            (enabled(Some("ours")), false, (Some("ours".to_owned()), 0)),
            (enabled(Some("ours")), true, (None, 0)),
            (enabled(None), false, (None, 1)),
            (enabled(None), true, (None, 0)),
            (AppArmor::Disabled, false, (None, 0)),
        ] {
            assert_eq!(run(None, privileged, apparmor).unwrap(), expected);
        }
        let unconfined = run(Some(SecurityProfile::Unconfined), false, enabled(Some("o")));
        assert_eq!(unconfined.unwrap(), (None, 0));
    }
}
