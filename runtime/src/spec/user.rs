//! Who a container runs as: the request's user over the image's, looked up in the image's accounts.
//!
//! A number is a number: what looks like one and is out of range is refused, never looked up as a
//! name or wrapped around (CVE-2024-40635).

use std::collections::BTreeSet;

use super::accounts::{MAX_ID, PasswdLine, parse_id};
use super::{Accounts, ImageFacts, SpecError};
use crate::model::config::{ContainerSecurity, SupplementalGroupsPolicy};

/// What the kernel lets a process have (NGROUPS_MAX).
const MAX_GROUPS: usize = 65_536;

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, the primary one first.
    pub groups: Vec<u32>,
    /// Home directory, `/` when no account says another.
    pub home: String,
}

/// The identity that request, image and the image's accounts give together.
pub(super) fn identity(
    security: &ContainerSecurity,
    image: &ImageFacts,
    accounts: &Accounts,
) -> Result<Identity, SpecError> {
    let wanted = Wanted::of(security, image)?;
    let (uid, account) = resolve_user(wanted.user, accounts)?;
    let gid = match wanted.group {
        Some(group) => resolve_group(group, accounts)?,
        None => account.map_or(Ok(0), |line| line.gid())?,
    };
    let home = account
        .map(|line| line.home)
        .filter(|home| home.starts_with('/'))
        .unwrap_or("/");
    let groups = groups(gid, account, security, accounts)?;
    Ok(Identity {
        uid,
        gid,
        groups,
        home: home.to_owned(),
    })
}

/// A user or a group, as somebody wrote it.
#[derive(Clone, Copy)]
enum Reference<'a> {
    Id(u32),
    Text(&'a str),
}

/// The user to run as, and its group if one is given.
struct Wanted<'a> {
    user: Reference<'a>,
    group: Option<Reference<'a>>,
}

impl<'a> Wanted<'a> {
    fn of(security: &'a ContainerSecurity, image: &'a ImageFacts) -> Result<Self, SpecError> {
        let run_as = &security.user;
        let group = run_as.gid.map(Reference::Id);
        match (run_as.uid, run_as.username.as_str()) {
            (Some(uid), _) => Ok(Self {
                user: Reference::Id(uid),
                group,
            }),
            (None, "") if group.is_some() => Err(SpecError::GroupWithoutUser),
            (None, "") => Ok(Self::of_image(&image.user)),
            (None, name) => Ok(Self {
                user: Reference::Text(name),
                group,
            }),
        }
    }

    /// `user`, `user:group`, or nothing, which is root.
    fn of_image(text: &'a str) -> Self {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        let user = if user.is_empty() {
            Reference::Id(0)
        } else {
            Reference::Text(user)
        };
        Self {
            user,
            group: group.map(Reference::Text),
        }
    }
}

fn resolve_user<'a>(
    user: Reference<'_>,
    accounts: &'a Accounts,
) -> Result<(u32, Option<PasswdLine<'a>>), SpecError> {
    match number(user)? {
        Ok(uid) => Ok((uid, accounts.user_with_id(uid))),
        Err(name) => {
            let line = accounts.user_named(name);
            let line = line.ok_or_else(|| SpecError::UnknownUser(name.to_owned()))?;
            Ok((line.uid()?, Some(line)))
        }
    }
}

fn resolve_group(group: Reference<'_>, accounts: &Accounts) -> Result<u32, SpecError> {
    match number(group)? {
        Ok(gid) => Ok(gid),
        Err(name) => accounts
            .gid_of(name)
            .unwrap_or_else(|| Err(SpecError::UnknownGroup(name.to_owned()))),
    }
}

/// The number that a reference is, or else the name. A name starts with a letter or `_`:
/// whatever else is not a number in range is neither.
fn number(reference: Reference<'_>) -> Result<Result<u32, &str>, SpecError> {
    match reference {
        Reference::Id(id) if id <= MAX_ID => Ok(Ok(id)),
        Reference::Id(id) => Err(SpecError::AccountNumber(id.to_string())),
        Reference::Text(text) => match parse_id(text) {
            Some(id) => Ok(Ok(id)),
            None if is_name(text) => Ok(Err(text)),
            None => Err(SpecError::AccountNumber(text.to_owned())),
        },
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && !text.contains(|c: char| c.is_control() || c == ':')
}

/// The primary group, the groups that list the user when the policy merges them, and those of the
/// request. The primary one is always among them: a process that drops it must not gain access
/// that its group is denied (CVE-2023-25173).
fn groups(
    gid: u32,
    account: Option<PasswdLine<'_>>,
    security: &ContainerSecurity,
    accounts: &Accounts,
) -> Result<Vec<u32>, SpecError> {
    let listed = match (security.supplemental_groups_policy, account) {
        (SupplementalGroupsPolicy::Merge, Some(line)) => accounts.gids_with_member(line.name)?,
        _ => Vec::new(),
    };
    if let Some(&out) = security
        .supplemental_groups
        .iter()
        .find(|&&group| group > MAX_ID)
    {
        return Err(SpecError::AccountNumber(out.to_string()));
    }
    let mut seen = BTreeSet::new();
    let all = [gid]
        .into_iter()
        .chain(listed)
        .chain(security.supplemental_groups.iter().copied());
    let groups: Vec<u32> = all.filter(|&group| seen.insert(group)).collect();
    if groups.len() > MAX_GROUPS {
        return Err(SpecError::TooManyGroups(groups.len()));
    }
    Ok(groups)
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
