//! Files whose lines are a word and a number.

/// The number beside `word`.
pub(super) fn value(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, number) = line.split_once(' ')?;
        (name == word).then(|| number.trim().parse().ok())?
    })
}

/// A limit: `None` when it says `max`, or a number so large that v1 means none by it.
pub(super) fn limit(text: &str) -> Option<u64> {
    // v1 has the largest signed number rounded down to pages, of whatever size the machine has.
    const UNLIMITED: u64 = 1 << 62;
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_word() {
        let text = "anon 1\nanon_thp 2\nfile 3\n";
        assert_eq!(value(text, "anon"), Some(1));
        assert_eq!(value(text, "anon_thp"), Some(2));
        assert_eq!(value(text, "thp"), None);
        assert_eq!(value("file x\n", "file"), None);
    }

    #[test]
    fn no_limit_is_written_in_two_ways() {
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
        assert_eq!(limit("9223372036854710272\n"), None);
        assert_eq!(limit("67108864\n"), Some(67_108_864));
        assert_eq!(limit("0\n"), Some(0));
    }
}
