//! `UserNamespace` and `IDMapping`: one range of ids from 0 on, as every client sends it.

use podling_proto::runtime::v1 as cri;

use super::{DecodeError, invalid};
use crate::model::config::UserNamespace;

/// The user namespace of a pod; `None` is the host's.
pub(super) fn user_namespace(
    options: Option<cri::UserNamespace>,
) -> Result<Option<UserNamespace>, DecodeError> {
    let Some(cri::UserNamespace { mode, uids, gids }) = options else {
        return Ok(None);
    };
    let refused = |rule| Err(invalid("namespace_options.userns_options.mode", mode, rule));
    match cri::NamespaceMode::try_from(mode) {
        Ok(cri::NamespaceMode::Pod) => mapping("userns_options", &uids, &gids).map(Some),
        Ok(cri::NamespaceMode::Node) if uids.is_empty() && gids.is_empty() => Ok(None),
        Ok(cri::NamespaceMode::Node) => refused("NODE has no mappings"),
        _ => refused("POD or NODE is expected"),
    }
}

/// The mappings of a mount; `None` when it has none.
pub(super) fn of_mount(
    uids: &[cri::IdMapping],
    gids: &[cri::IdMapping],
) -> Result<Option<UserNamespace>, DecodeError> {
    match (uids, gids) {
        ([], []) => Ok(None),
        _ => mapping("mounts[].uidMappings", uids, gids).map(Some),
    }
}

fn mapping(
    field: &'static str,
    uids: &[cri::IdMapping],
    gids: &[cri::IdMapping],
) -> Result<UserNamespace, DecodeError> {
    let (uids, gids) = (range(field, uids)?, range(field, gids)?);
    if uids.length != gids.length {
        let lengths = format!("{} and {}", uids.length, gids.length);
        return Err(invalid(field, lengths, "uids and gids must be as many"));
    }
    Ok(UserNamespace {
        uid: uids.host_id,
        gid: gids.host_id,
        length: uids.length,
    })
}

fn range(field: &'static str, mappings: &[cri::IdMapping]) -> Result<cri::IdMapping, DecodeError> {
    let [mapping] = mappings else {
        return Err(invalid(
            field,
            mappings.len(),
            "exactly one mapping is expected",
        ));
    };
    if mapping.container_id != 0 {
        let rule = "the mapping must begin with id 0 of the container";
        return Err(invalid(field, mapping.container_id, rule));
    }
    // The last id of all means "leave alone" to the kernel.
    let end = u64::from(mapping.host_id) + u64::from(mapping.length);
    if mapping.length == 0 || end > u64::from(u32::MAX) {
        let rule = "the mapping must hold ids, and end below 4294967295";
        return Err(invalid(field, mapping.length, rule));
    }
    Ok(*mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(container_id: u32, host_id: u32, length: u32) -> cri::IdMapping {
        cri::IdMapping {
            host_id,
            container_id,
            length,
        }
    }

    fn decode(
        mode: cri::NamespaceMode,
        uids: &[cri::IdMapping],
        gids: &[cri::IdMapping],
    ) -> Result<Option<UserNamespace>, DecodeError> {
        user_namespace(Some(cri::UserNamespace {
            mode: mode.into(),
            uids: uids.to_vec(),
            gids: gids.to_vec(),
        }))
    }

    #[test]
    fn a_pod_has_one_range_of_ids_that_begins_with_root() {
        let pod = decode(
            cri::NamespaceMode::Pod,
            &[ids(0, 1000, 100_000)],
            &[ids(0, 2000, 100_000)],
        );
        let expected = UserNamespace {
            uid: 1000,
            gid: 2000,
            length: 100_000,
        };
        assert_eq!(pod, Ok(Some(expected)));
        assert_eq!(decode(cri::NamespaceMode::Node, &[], &[]), Ok(None));
        assert_eq!(user_namespace(None), Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        let one = [ids(0, 1000, 65_536)];
        for wrong in [
            vec![],
            vec![ids(0, 1000, 10), ids(10, 2000, 10)],
            vec![ids(1, 1000, 65_536)],
            vec![ids(0, 1000, 0)],
            vec![ids(0, 1000, 65_535)],
            vec![ids(0, u32::MAX - 1, 65_536)],
        ] {
            assert!(
                decode(cri::NamespaceMode::Pod, &wrong, &one).is_err(),
                "{wrong:?}"
            );
            assert!(
                decode(cri::NamespaceMode::Pod, &one, &wrong).is_err(),
                "{wrong:?}"
            );
        }
        assert!(decode(cri::NamespaceMode::Node, &one, &one).is_err());
        for mode in [cri::NamespaceMode::Container, cri::NamespaceMode::Target] {
            assert!(decode(mode, &one, &one).is_err());
        }
    }
}
