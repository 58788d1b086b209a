//! Which AppArmor profile a container changes to.

use super::{HostFacts, Note, SpecError};
use crate::model::config::{ContainerSecurity, SecurityProfile};

/// The profile's name, if there is one to change to.
pub(super) fn profile(
    security: &ContainerSecurity,
    host: &HostFacts,
    notes: &mut Vec<Note>,
) -> Result<Option<String>, SpecError> {
    match &security.apparmor {
        SecurityProfile::Unconfined => Ok(None),
        SecurityProfile::RuntimeDefault => {
            if host.apparmor && !security.privileged {
                notes.push(Note::NoDefaultAppArmor);
            }
            Ok(None)
        }
        SecurityProfile::Localhost(name) if name.is_empty() => {
            Err(SpecError::EmptyProfile("AppArmor"))
        }
        SecurityProfile::Localhost(name) if host.apparmor => Ok(Some(name.clone())),
        SecurityProfile::Localhost(name) => Err(SpecError::NoAppArmor(name.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fixture;

    fn run(apparmor: SecurityProfile, enabled: bool) -> Result<Option<String>, SpecError> {
        let security = ContainerSecurity {
            apparmor,
            ..Default::default()
        };
        let host = HostFacts {
            apparmor: enabled,
            ..fixture::host()
        };
        profile(&security, &host, &mut Vec::new())
    }

    #[test]
    fn a_named_profile_is_enforced_or_refused_never_ignored() {
        let named = || SecurityProfile::Localhost("web".to_owned());
        assert_eq!(run(named(), true).unwrap().as_deref(), Some("web"));
        assert!(matches!(run(named(), false), Err(SpecError::NoAppArmor(_))));
        let empty = run(SecurityProfile::Localhost(String::new()), true);
        assert!(matches!(empty, Err(SpecError::EmptyProfile(_))));
    }

    #[test]
    fn a_default_profile_that_does_not_exist_is_noted_where_it_would_count() {
        let security = ContainerSecurity {
            apparmor: SecurityProfile::RuntimeDefault,
            ..Default::default()
        };
        for (apparmor, expected) in [(true, vec![Note::NoDefaultAppArmor]), (false, vec![])] {
            let host = HostFacts {
                apparmor,
                ..fixture::host()
            };
            let mut notes = Vec::new();
            assert_eq!(profile(&security, &host, &mut notes).unwrap(), None);
            assert_eq!(notes, expected);
        }
    }
}
