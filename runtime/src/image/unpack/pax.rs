//! Extended headers of the pax format: `LENGTH KEY=VALUE\n` records.
#![deny(clippy::disallowed_methods)]

use super::error::UnpackError;

/// What extended headers say about the next entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    /// Its name.
    pub(super) path: Option<Vec<u8>>,
    /// Target of a link.
    pub(super) link: Option<Vec<u8>>,
    /// Bytes of content.
    pub(super) size: Option<u64>,
    /// Owner.
    pub(super) uid: Option<u64>,
    /// Group.
    pub(super) gid: Option<u64>,
    /// Modification time.
    pub(super) mtime: Option<Time>,
    /// Extended attributes.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether holes are left out of the content, which only GNU tar's own formats do.
    pub(super) sparse: bool,
}

/// Seconds and nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    /// Seconds, negative before 1970.
    pub(crate) seconds: i64,
    /// Nanoseconds after them.
    pub(crate) nanoseconds: u32,
}

const XATTR: &[u8] = b"SCHILY.xattr.";

impl Extensions {
    /// Takes in the records of one extended header.
    pub(super) fn read(&mut self, mut records: &[u8]) -> Result<(), UnpackError> {
        while !records.is_empty() {
            let (key, value, rest) = split_record(records).ok_or(MALFORMED)?;
            self.set(key, value)?;
            records = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), UnpackError> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

const MALFORMED: UnpackError = UnpackError::Malformed("a broken extended header");

/// The first record's key and value, and what follows it. Values may be binary.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|b| *b == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|b| *b == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

fn number(value: &[u8]) -> Result<u64, UnpackError> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(MALFORMED)
}

/// `[-]SECONDS[.FRACTION]`; digits beyond nanoseconds are cut.
fn time(value: &[u8]) -> Result<Time, UnpackError> {
    let text = std::str::from_utf8(value).map_err(|_| MALFORMED)?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(MALFORMED);
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let whole: i64 = seconds.parse().map_err(|_| MALFORMED)?;
    Ok(match (seconds.starts_with('-'), nanoseconds) {
        (true, 1..) => {
            let seconds = whole.checked_sub(1).ok_or(MALFORMED)?;
            Time {
                seconds,
                nanoseconds: 1_000_000_000 - nanoseconds,
            }
        }
        _ => Time {
            seconds: whole,
            nanoseconds,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(records: &[u8]) -> Result<Extensions, UnpackError> {
        let mut extensions = Extensions::default();
        extensions.read(records)?;
        Ok(extensions)
    }

    #[test]
    fn values_may_hold_newlines_and_equal_signs() {
        let extensions = read(b"11 path=a\n\n22 SCHILY.xattr.a=\n=\0\n").unwrap();
        assert_eq!(extensions.path.as_deref(), Some(&b"a\n"[..]));
        assert_eq!(extensions.xattrs, [(b"a".to_vec(), b"\n=\0".to_vec())]);
    }

    #[test]
    fn times_keep_their_fraction_on_both_sides_of_the_epoch() {
        assert_eq!(
            time(b"1.5").unwrap(),
            Time {
                seconds: 1,
                nanoseconds: 500_000_000
            }
        );
        assert_eq!(
            time(b"-1.25").unwrap(),
            Time {
                seconds: -2,
                nanoseconds: 750_000_000
            }
        );
        assert_eq!(
            time(b"7").unwrap(),
            Time {
                seconds: 7,
                nanoseconds: 0
            }
        );
        assert_eq!(time(b"1.1234567899").unwrap().nanoseconds, 123_456_789);
    }

    #[test]
    fn broken_records_are_refused() {
        for records in [
            &b"5"[..],
            b"99 path=a\n",
            b"0 path=a\n",
            b"7 path\n",
            b"10 path=ab",
            b"9 size=x\n",
            b"3 \n",
        ] {
            assert!(read(records).is_err(), "{records:?}");
        }
    }
}
