//! What a container runs: the request's command and args over the image's entrypoint and cmd.
//!
//! | request         | runs                         |
//! |-----------------|------------------------------|
//! | nothing         | image entrypoint + image cmd |
//! | args            | image entrypoint + args      |
//! | command         | command                      |
//! | command, args   | command + args               |

use super::{ImageFacts, SpecError};
use crate::model::ContainerConfig;

/// The program and its arguments.
pub(super) fn args(config: &ContainerConfig, image: &ImageFacts) -> Result<Vec<String>, SpecError> {
    let program = if config.command.is_empty() {
        entrypoint(image)
    } else {
        &config.command
    };
    let rest = if config.command.is_empty() && config.args.is_empty() {
        &image.cmd
    } else {
        &config.args
    };
    let args: Vec<String> = program.iter().chain(rest).cloned().collect();
    if args.is_empty() {
        return Err(SpecError::NoCommand);
    }
    match args.iter().find(|arg| arg.contains('\0')) {
        Some(arg) => Err(SpecError::ArgumentWithNul(arg.clone())),
        None => Ok(args),
    }
}

/// The image's entrypoint; a single empty word is the usual way to write "none".
fn entrypoint(image: &ImageFacts) -> &[String] {
    match image.entrypoint.as_slice() {
        [word] if word.is_empty() => &[],
        words => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn run(entrypoint: &str, cmd: &str, command: &str, args_: &str) -> Option<String> {
        let image = ImageFacts {
            entrypoint: words(entrypoint),
            cmd: words(cmd),
            ..Default::default()
        };
        let config = ContainerConfig {
            command: words(command),
            args: words(args_),
            ..Default::default()
        };
        args(&config, &image).ok().map(|args| args.join(" "))
    }

    #[test]
    fn command_and_args_replace_entrypoint_and_cmd_as_kubernetes_documents_it() {
        // image entrypoint, image cmd, command, args, what runs
        let table = [
            ("/ep-1", "foo bar", "", "", Some("/ep-1 foo bar")),
            ("/ep-1", "foo bar", "/ep-2", "", Some("/ep-2")),
            ("/ep-1", "foo bar", "", "zoo boo", Some("/ep-1 zoo boo")),
            (
                "/ep-1",
                "foo bar",
                "/ep-2",
                "zoo boo",
                Some("/ep-2 zoo boo"),
            ),
            ("", "foo bar", "", "", Some("foo bar")),
            ("", "foo bar", "", "zoo", Some("zoo")),
            ("/ep-1", "", "", "", Some("/ep-1")),
            ("", "", "", "", None),
        ];
        for (entrypoint, cmd, command, args_, expected) in table {
            let got = run(entrypoint, cmd, command, args_);
            assert_eq!(
                got.as_deref(),
                expected,
                "{entrypoint} {cmd} {command} {args_}"
            );
        }
    }

    #[test]
    fn an_entrypoint_of_one_empty_word_is_none() {
        let image = ImageFacts {
            entrypoint: vec![String::new()],
            cmd: words("sh -c"),
            ..Default::default()
        };
        assert_eq!(
            args(&ContainerConfig::default(), &image).unwrap(),
            ["sh", "-c"]
        );
    }

    #[test]
    fn an_argument_with_a_nul_byte_is_refused() {
        let config = ContainerConfig {
            command: vec!["a\0b".to_owned()],
            ..Default::default()
        };
        assert!(matches!(
            args(&config, &ImageFacts::default()),
            Err(SpecError::ArgumentWithNul(_))
        ));
    }
}
