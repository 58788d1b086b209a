//! Names of slices: a dash is a level of the tree, so the name alone says where a slice lies.

#![deny(clippy::disallowed_methods)]

/// The end of every slice's name.
const SUFFIX: &str = ".slice";
/// The slice above all others.
const ROOT: &str = "-.slice";

/// Why a name is not a slice's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not the name of a systemd slice, such as kubepods-burstable.slice")]
pub struct InvalidSlice(String);

/// Whether a text is meant to name a slice, alone or with the slices above it.
pub fn is_slice(text: &str) -> bool {
    text.trim_end_matches('/').ends_with(SUFFIX)
}

/// Where the cgroup of a slice lies: `a-b.slice` at `/a.slice/a-b.slice`. Of a path only the last name
/// counts, which says all that the others do.
pub fn path_of_slice(name: &str) -> Result<String, InvalidSlice> {
    let name = name.trim_end_matches('/');
    let name = name.rsplit('/').next().unwrap_or(name);
    if name == ROOT {
        return Ok(String::new());
    }
    let invalid = || InvalidSlice(name.to_owned());
    let stem = name.strip_suffix(SUFFIX).ok_or_else(invalid)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.:@\\".contains(c);
    let is_word = |word: &str| !word.is_empty() && word.chars().all(is_plain);
    if !stem.split('-').all(is_word) {
        return Err(invalid());
    }
    let ends = stem.match_indices('-').map(|(at, _)| at);
    let paths = ends
        .chain([stem.len()])
        .map(|end| format!("/{}{SUFFIX}", &stem[..end]));
    Ok(paths.collect())
}

/// The slice that stands for a path of cgroups: `/a/b-c` is `a-b_c.slice`.
pub fn slice_of_path(path: &str) -> String {
    slice_below(ROOT, path)
}

/// The slice of a path below another slice.
pub fn slice_below(parent: &str, path: &str) -> String {
    let words = path.split('/').filter(|word| !word.is_empty());
    let words = words.map(|word| word.replace('-', "_"));
    let parent = parent.strip_suffix(SUFFIX).unwrap_or(parent);
    let above = Some(parent.to_owned()).filter(|stem| stem != "-");
    let all: Vec<String> = above.into_iter().chain(words).collect();
    match all.is_empty() {
        true => ROOT.to_owned(),
        false => format!("{}{SUFFIX}", all.join("-")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_its_slice_lies() {
        for (name, expected) in [
            ("-.slice", ""),
            ("kubepods.slice", "/kubepods.slice"),
            (
                "kubepods-burstable-podu_1.slice",
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podu_1.slice",
            ),
            (
                "/kubepods.slice/kubepods-burstable.slice/",
                "/kubepods.slice/kubepods-burstable.slice",
            ),
        ] {
            assert_eq!(path_of_slice(name).as_deref(), Ok(expected), "{name}");
            assert!(is_slice(name));
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_slice() {
        for name in [
            "",
            ".slice",
            "a",
            "/a/b",
            "-a.slice",
            "a-.slice",
            "a--b.slice",
            "a b.slice",
            "a.scope",
            "..",
            "a.slice:cri:b",
        ] {
            assert!(path_of_slice(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_path_is_a_slice_whose_words_have_no_dashes() {
        for (path, expected) in [
            ("/", "-.slice"),
            ("", "-.slice"),
            ("/podling", "podling.slice"),
            ("/a/b-c/", "a-b_c.slice"),
        ] {
            assert_eq!(slice_of_path(path), expected);
        }
        assert_eq!(
            slice_below("kubepods.slice", "podu-1"),
            "kubepods-podu_1.slice"
        );
    }
}
