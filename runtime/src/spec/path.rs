//! Which paths inside a container are accepted.

use super::PathFault;

/// The path with its slashes made single and without `.`, if it is absolute and never goes up.
pub(super) fn normalized(path: &str) -> Result<String, PathFault> {
    if path.contains('\0') {
        return Err(PathFault::Nul);
    }
    if !path.starts_with('/') {
        return Err(PathFault::Relative);
    }
    let mut normal = String::with_capacity(path.len());
    for word in path
        .split('/')
        .filter(|word| !word.is_empty() && *word != ".")
    {
        if word == ".." {
            return Err(PathFault::Traversal);
        }
        normal.push('/');
        normal.push_str(word);
    }
    if normal.is_empty() {
        normal.push('/');
    }
    Ok(normal)
}

/// Whether a normalized path is `folder` or lies below it.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How many folders deep a normalized path is.
pub(super) fn depth(path: &str) -> usize {
    path.split('/').filter(|word| !word.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_dots_are_tidied() {
        for (path, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/a//b/./c/", "/a/b/c"),
            ("/.a/..b", "/.a/..b"),
        ] {
            assert_eq!(normalized(path).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn paths_that_could_leave_are_refused() {
        for (path, fault) in [
            ("", PathFault::Relative),
            ("a/b", PathFault::Relative),
            ("/a/../../etc", PathFault::Traversal),
            ("/..", PathFault::Traversal),
            ("/a\0b", PathFault::Nul),
        ] {
            assert_eq!(normalized(path), Err(fault), "{path:?}");
        }
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_not_within() {
        assert!(is_within("/proc/sys", "/proc") && is_within("/proc", "/proc"));
        assert!(!is_within("/process", "/proc"));
    }
}
