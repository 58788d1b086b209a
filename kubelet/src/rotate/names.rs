//! The names of rotated logs: `0.log.20260131-120000`, packed with `.gz` behind it. Pure.
//!
//! Names sort by time. The times are UTC, so that no clock change of a summer time turns them around.
#![deny(clippy::disallowed_methods)]

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Behind the name of a packed log.
pub(crate) const PACKED: &str = ".gz";
/// Behind the name of one that is being packed.
pub(super) const UNFINISHED: &str = ".tmp";

const STAMP: &str = "%Y%m%d-%H%M%S";

/// Whether the file was set aside from the log of that name, packed or not.
pub(crate) fn is_rotated(name: &str, log: &str) -> bool {
    let rest = name
        .strip_prefix(log)
        .and_then(|rest| rest.strip_prefix('.'));
    rest.is_some() && !name.ends_with(UNFINISHED)
}

/// The name without what packing has put behind it.
pub(crate) fn plain(name: &str) -> &str {
    name.strip_suffix(PACKED).unwrap_or(name)
}

/// A name for what is set aside now: later than every name that there is, whatever the clock says.
pub(super) fn next<'a>(
    log: &str,
    rotated: impl IntoIterator<Item = &'a str>,
    now: Timestamp,
) -> String {
    let stamp = |name: &str| {
        let stamp = plain(name).strip_prefix(log)?.strip_prefix('.')?;
        DateTime::strptime(STAMP, stamp).ok()
    };
    let now = TimeZone::UTC.to_datetime(now);
    let latest = rotated.into_iter().filter_map(stamp).max();
    let after = latest.and_then(|latest| latest.checked_add(Span::new().seconds(1)).ok());
    let at = after.map_or(now, |after| after.max(now));
    format!("{log}.{}", at.strftime(STAMP))
}
