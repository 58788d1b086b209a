//! A pod's user namespace in the spec of its containers: who can exist there, and whose files.

use oci_spec::runtime::{LinuxIdMapping, LinuxIdMappingBuilder, Mount};

use super::user::Identity;
use super::{SandboxFacts, SpecError};
use crate::model::config::{ContainerSecurity, UserNamespace};

/// Refuses a container that asks for another user namespace than its pod's, or for an identity
/// that does not exist in it.
pub(super) fn check(
    security: &ContainerSecurity,
    identity: &Identity,
    sandbox: &SandboxFacts,
) -> Result<(), SpecError> {
    let asked = security.namespaces.user;
    if asked.is_some() && asked != sandbox.user_namespace {
        return Err(SpecError::OtherUserNamespace);
    }
    let Some(namespace) = sandbox.user_namespace else {
        return Ok(());
    };
    let ids = [identity.uid, identity.gid];
    let mut ids = ids.iter().chain(&identity.groups);
    match ids.find(|&&id| !namespace.has(id)) {
        Some(&id) => Err(SpecError::NotMapped(id, namespace.length)),
        None => Ok(()),
    }
}

/// Has a mount show its files with the ids of the namespace.
pub(super) fn map(mount: &mut Mount, namespace: &UserNamespace) {
    mount
        .set_uid_mappings(Some(vec![mapping(namespace.uid, namespace)]))
        .set_gid_mappings(Some(vec![mapping(namespace.gid, namespace)]));
}

fn mapping(host_id: u32, namespace: &UserNamespace) -> LinuxIdMapping {
    LinuxIdMappingBuilder::default()
        .container_id(0u32)
        .host_id(host_id)
        .size(namespace.length)
        .build()
        .expect("every field has a default")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fixture;

    const NAMESPACE: UserNamespace = UserNamespace {
        uid: 1000,
        gid: 2000,
        length: 100,
    };

    fn run(asked: Option<UserNamespace>, groups: &[u32]) -> Result<(), SpecError> {
        let mut security = ContainerSecurity::default();
        security.namespaces.user = asked;
        let identity = Identity {
            uid: 99,
            gid: 0,
            groups: groups.to_vec(),
            home: "/".to_owned(),
        };
        let sandbox = SandboxFacts {
            user_namespace: Some(NAMESPACE),
            ..fixture::sandbox()
        };
        check(&security, &identity, &sandbox)
    }

    #[test]
    fn a_container_is_in_the_namespace_of_its_pod() {
        assert!(run(None, &[]).is_ok() && run(Some(NAMESPACE), &[]).is_ok());
        let other = UserNamespace {
            uid: 5,
            ..NAMESPACE
        };
        assert!(matches!(
            run(Some(other), &[]),
            Err(SpecError::OtherUserNamespace)
        ));
    }

    #[test]
    fn an_id_that_does_not_exist_there_is_refused() {
        assert!(run(None, &[0, 99]).is_ok());
        assert!(matches!(
            run(None, &[0, 100]),
            Err(SpecError::NotMapped(100, 100))
        ));
    }
}
