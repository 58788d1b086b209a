//! Reading an image's /etc/passwd and /etc/group.
//!
//! The files come from the image, so they are hostile until shown otherwise: lines that are not
//! account lines are passed over, and a number out of range is an error only where it is asked for.

use super::{Accounts, SpecError};

/// The largest id: what the kubelet validates, and what cannot be taken for a negative number.
pub(super) const MAX_ID: u32 = i32::MAX as u32;

/// One line of /etc/passwd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PasswdLine<'a> {
    pub name: &'a str,
    uid: &'a str,
    gid: &'a str,
    pub home: &'a str,
}

impl<'a> PasswdLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields
            .next()
            .filter(|name| !name.is_empty() && !name.starts_with('#'))?;
        let _password = fields.next()?;
        let uid = fields.next()?;
        let gid = fields.next()?;
        let _gecos = fields.next();
        Some(Self {
            name,
            uid,
            gid,
            home: fields.next().unwrap_or_default(),
        })
    }

    pub(super) fn uid(&self) -> Result<u32, SpecError> {
        parse_id(self.uid).ok_or_else(|| SpecError::AccountEntry(self.name.to_owned()))
    }

    pub(super) fn gid(&self) -> Result<u32, SpecError> {
        parse_id(self.gid).ok_or_else(|| SpecError::AccountEntry(self.name.to_owned()))
    }
}

/// An id in decimal digits alone, from 0 to 2^31 - 1.
pub(super) fn parse_id(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&id| id <= MAX_ID)
}

impl Accounts {
    /// The first line of a user.
    pub(super) fn user_named(&self, name: &str) -> Option<PasswdLine<'_>> {
        self.users().find(|line| line.name == name)
    }

    /// The first line with a uid.
    pub(super) fn user_with_id(&self, uid: u32) -> Option<PasswdLine<'_>> {
        self.users().find(|line| parse_id(line.uid) == Some(uid))
    }

    /// The gid of a group.
    pub(super) fn gid_of(&self, name: &str) -> Option<Result<u32, SpecError>> {
        let line = self.groups().find(|line| line.name == name)?;
        Some(line.gid())
    }

    /// The gids of the groups that list a user as a member, in the order of the file.
    pub(super) fn gids_with_member(&self, user: &str) -> Result<Vec<u32>, SpecError> {
        self.groups()
            .filter(|line| line.has_member(user))
            .map(|line| line.gid())
            .collect()
    }

    fn users(&self) -> impl Iterator<Item = PasswdLine<'_>> {
        self.passwd.lines().filter_map(PasswdLine::parse)
    }

    fn groups(&self) -> impl Iterator<Item = GroupLine<'_>> {
        self.group.lines().filter_map(GroupLine::parse)
    }
}

/// One line of /etc/group.
#[derive(Clone, Copy)]
struct GroupLine<'a> {
    name: &'a str,
    gid: &'a str,
    members: &'a str,
}

impl<'a> GroupLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields
            .next()
            .filter(|name| !name.is_empty() && !name.starts_with('#'))?;
        let _password = fields.next()?;
        let gid = fields.next()?;
        Some(Self {
            name,
            gid,
            members: fields.next().unwrap_or_default(),
        })
    }

    fn gid(&self) -> Result<u32, SpecError> {
        parse_id(self.gid).ok_or_else(|| SpecError::AccountEntry(self.name.to_owned()))
    }

    fn has_member(&self, user: &str) -> bool {
        self.members.split(',').any(|member| member.trim() == user)
    }
}
