//! How much is logged, and how it is written.
#![deny(clippy::disallowed_methods)]

use clap::ValueEnum;
use podling_kubelet::config::LogWishes;

use crate::args::LogArguments;

/// What can be chosen of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logging {
    /// How much.
    pub(crate) level: Level,
    /// How it is written to stderr; the journal gets fields in any case.
    pub(crate) format: Format,
    /// How much is written of what single source files log.
    pub(crate) files: Vec<OfFile>,
}

/// How much is written of what a source file logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfFile {
    /// Its name without folders and `.rs`; `*` stands for any characters, `?` for one.
    pattern: String,
    level: Level,
}

impl OfFile {
    /// Whether it is about the file at this path.
    fn is_about(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let name = name.strip_suffix(".rs").unwrap_or(name);
        fits(self.pattern.as_bytes(), name.as_bytes())
    }
}

/// Whether a text fits a pattern.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
        ([b'?', rest @ ..], [_, text @ ..]) => fits(rest, text),
        ([one, rest @ ..], [other, text @ ..]) => one == other && fits(rest, text),
        _ => false,
    }
}

impl Logging {
    /// What holds when nobody says otherwise.
    pub(crate) const DEFAULT: Self = Self {
        level: Level::Info,
        format: Format::Text,
        files: Vec::new(),
    };

    /// What the kubelet's configuration says of it.
    pub(crate) fn of_kubelet(wishes: &LogWishes) -> Self {
        let level =
            |verbosity: u32| Level::of_upstreams(u8::try_from(verbosity).unwrap_or(u8::MAX));
        let files = wishes.files.iter().map(|(pattern, verbosity)| OfFile {
            pattern: pattern.clone(),
            level: level(*verbosity),
        });
        Self {
            level: level(wishes.verbosity),
            format: match wishes.format.as_str() {
                "json" => Format::Json,
                _ => Format::Text,
            },
            files: files.collect(),
        }
    }

    /// Whether a source file is one of which so much is written, whatever holds for the others.
    pub(super) fn is_wanted_of(&self, path: &str, level: tracing::Level) -> bool {
        let about = self.files.iter().find(|one| one.is_about(path));
        about.is_some_and(|one| level <= one.level.most())
    }

    /// What a command line makes of it.
    pub(crate) fn overridden_by(self, flags: &LogArguments) -> Self {
        let level = match (flags.log_level, flags.verbosity, flags.verbose) {
            (Some(level), ..) => level,
            (None, Some(level), _) => Level::of_upstreams(level),
            (None, None, 0) => self.level,
            (None, None, count) => Level::of_verbosity(count),
        };
        Self {
            level,
            format: flags.log_format.unwrap_or(self.format),
            files: self.files,
        }
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// Only what went wrong.
    Error,
    /// Also what somebody should look at.
    Warn,
    /// Also what happened.
    Info,
    /// Also what podling does; other libraries as with info.
    Debug,
    /// Everything, and other libraries as with debug.
    Trace,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Level {
    /// What `-v` (once or more) says.
    pub(crate) fn of_verbosity(count: u8) -> Self {
        match count {
            0 => Self::Info,
            1 => Self::Debug,
            _ => Self::Trace,
        }
    }

    /// What `--v` says: what upstream's kubelets log usually is at 2, what they do in detail at 4.
    pub(crate) fn of_upstreams(level: u8) -> Self {
        match level {
            0..=2 => Self::Info,
            3..=5 => Self::Debug,
            _ => Self::Trace,
        }
    }

    /// The last that is written of podling's own.
    fn most(self) -> tracing::Level {
        match self {
            Self::Error => tracing::Level::ERROR,
            Self::Warn => tracing::Level::WARN,
            Self::Info => tracing::Level::INFO,
            Self::Debug => tracing::Level::DEBUG,
            Self::Trace => tracing::Level::TRACE,
        }
    }

    /// As RUST_LOG would say it.
    pub(super) fn directives(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "info,podling=debug,podling_kubelet=debug,podling_runtime=debug",
            Self::Trace => "debug,podling=trace,podling_kubelet=trace,podling_runtime=trace",
        }
    }
}

/// Reads the name of a value.
pub(crate) fn named<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let names = T::value_variants().iter().filter_map(T::to_possible_value);
        let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
        format!("{text:?} is none of {}", names.join(", "))
    })
}

/// Whether JOURNAL_STREAM (`DEVICE:INODE`) means the file with these numbers.
pub(super) fn is_journal(told: &str, device: u64, inode: u64) -> bool {
    let numbers = told.split_once(':').and_then(|(device, inode)| {
        Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?))
    });
    numbers == Some((device, inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stderr_is_the_journal_only_when_it_is_the_very_file() {
        for (told, expected) in [
            ("8:42", true),
            ("8:43", false),
            ("9:42", false),
            ("8", false),
            ("", false),
            ("8:42:1", false),
        ] {
            assert_eq!(is_journal(told, 8, 42), expected, "{told}");
        }
    }

    #[test]
    fn each_v_logs_more() {
        assert!(Level::of_verbosity(0) < Level::of_verbosity(1));
        assert!(Level::of_verbosity(1) < Level::of_verbosity(2));
        assert_eq!(Level::of_verbosity(9), Level::Trace);
    }

    #[test]
    fn levels_of_upstreams_kubelet_have_one_here() {
        let levels = [0, 2, 3, 5, 6, 10].map(Level::of_upstreams);
        let (info, debug, trace) = (Level::Info, Level::Debug, Level::Trace);
        assert_eq!(levels, [info, info, debug, debug, trace, trace]);
    }

    #[test]
    fn the_kubelets_words_for_its_log_are_understood() {
        let told = Logging::of_kubelet(&LogWishes {
            format: "json".to_owned(),
            verbosity: 4,
            files: vec![("evict*".to_owned(), 0), ("e?ict".to_owned(), 9)],
        });
        assert_eq!((told.level, told.format), (Level::Debug, Format::Json));
        let wanted = |path| told.is_wanted_of(path, tracing::Level::DEBUG);
        // The first that fits counts.
        assert!(!wanted("kubelet/src/evict/evictor.rs"));
        assert!(wanted("kubelet/src/edict.rs"));
        assert!(!wanted("kubelet/src/edict/mod.rs"));
        assert!(told.is_wanted_of("kubelet/src/evict/evictor.rs", tracing::Level::INFO));
    }

    #[test]
    fn every_level_is_a_filter_and_has_a_name() {
        for level in Level::value_variants() {
            let parsed = tracing_subscriber::EnvFilter::try_new(level.directives());
            assert!(parsed.is_ok(), "{level:?}");
        }
        assert_eq!(named::<Level>("debug"), Ok(Level::Debug));
        assert_eq!(
            named::<Format>("xml"),
            Err("\"xml\" is none of text, json".to_owned())
        );
    }
}
