//! Apostrophes that are escaped in double quotes (`"it\'s"`). YAML has no such escape; Go's reader, and so
//! every other kubelet, takes it for an apostrophe, and manifests that people have contain it.
#![deny(clippy::disallowed_methods)]

/// The text with the apostrophes of one scalar as YAML writes them: of the one that begins at that line
/// and column, counted from 1. Nothing when none begins there, or when it has no such apostrophe.
pub(super) fn mended(text: &str, (line, column): (u64, u64)) -> Option<String> {
    let before = usize::try_from(line).ok()?.checked_sub(1)?;
    let first: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let (within, _) = text[first..].char_indices().nth(column)?;
    let (head, scalar) = text.split_at(first + within);
    let inside = scalar.strip_prefix('"')?;
    let mut mended = format!("{head}\"");
    let mut rest = inside.chars();
    let mut is_changed = false;
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next()? {
                '\'' => {
                    is_changed = true;
                    mended.push('\'');
                }
                other => mended.extend(['\\', other]),
            },
            '"' => {
                mended.push('"');
                break;
            }
            other => mended.push(other),
        }
    }
    mended.push_str(rest.as_str());
    is_changed.then_some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_apostrophes_of_the_scalar_that_begins_there_are_mended() {
        let text = "a: 'x\\'\nb: [\"ü\", \"it\\'s \\\\\\\" \\'s\", \"\\'\"]\n";
        let mended = |at| mended(text, at);
        assert_eq!(
            mended((2, 10)).as_deref(),
            Some("a: 'x\\'\nb: [\"ü\", \"it's \\\\\\\" 's\", \"\\'\"]\n")
        );
        assert_eq!(mended((2, 5)), None, "it has none");
        assert_eq!(mended((1, 4)), None, "it is not in double quotes");
        assert_eq!(mended((9, 1)), None);
    }
}
