//! The flags of upstream's kubelet, from the kubelet's own table: for clap, one argument each.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use podling_kubelet::config::all_flags;

/// The flags that were given, with their values as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UpstreamFlags(pub(crate) Vec<(String, String)>);

impl Args for UpstreamFlags {
    fn augment_args(command: Command) -> Command {
        all_flags().fold(command, |command, flag| {
            // What this command has itself keeps its meaning.
            let is_there = command
                .get_arguments()
                .any(|one| one.get_long() == Some(flag.name));
            if is_there {
                return command;
            }
            let argument = Arg::new(flag.name)
                .long(flag.name)
                .action(ArgAction::Append)
                .allow_hyphen_values(true)
                .value_name(if flag.is_switch { "BOOL" } else { "VALUE" })
                .help(flag.help)
                .help_heading("Upstream's kubelet: a field of KubeletConfiguration, or a sentence")
                .hide_short_help(true);
            command.arg(if flag.is_switch {
                argument
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
            } else {
                argument
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for UpstreamFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Vec::new();
        for flag in all_flags() {
            // Those of this command itself are of other types, and are none of these.
            let Ok(Some(values)) = matches.try_get_many::<String>(flag.name) else {
                continue;
            };
            given.extend(values.map(|value| (flag.name.to_owned(), value.clone())));
        }
        Ok(Self(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Vec<(String, String)>, Error> {
        let command = UpstreamFlags::augment_args(Command::new("kubelet"));
        let matches = command.try_get_matches_from(line.split(' '))?;
        Ok(UpstreamFlags::from_arg_matches(&matches)?.0)
    }

    #[test]
    fn flags_are_given_as_to_upstreams_kubelet() {
        let given = parse("kubelet --max-pods=20 --anonymous-auth --fail-swap-on=false --node-ip 10.0.0.1 --feature-gates A=true --feature-gates B=false").unwrap();
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        for expected in [
            "max-pods=20",
            "anonymous-auth=true",
            "fail-swap-on=false",
            "node-ip=10.0.0.1",
            "feature-gates=A=true",
            "feature-gates=B=false",
        ] {
            assert!(
                given.iter().any(|one| one == expected),
                "{expected}: {given:?}"
            );
        }
        assert_eq!(given.len(), 6);
    }

    #[test]
    fn a_flag_that_upstream_does_not_have_is_refused() {
        assert!(parse("kubelet --max-podz=20").is_err());
    }
}
