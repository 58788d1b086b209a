//! Why something went wrong, as it is told.

use std::error::Error;

/// An error and all its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the door")]
    struct Door(#[source] Key);

    #[derive(Debug, thiserror::Error)]
    #[error("the key is lost")]
    struct Key;

    #[test]
    fn an_error_is_told_with_all_its_causes() {
        assert_eq!(chain(&Key), "the key is lost");
        assert_eq!(chain(&Door(Key)), "cannot open the door: the key is lost");
    }
}
