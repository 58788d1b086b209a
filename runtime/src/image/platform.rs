//! Platforms: which entry of an image index runs here.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// Operating system and processor, in Go's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, …
    #[serde(default)]
    pub architecture: String,
    /// `v7`, `v8`, …; empty when there is none.
    #[serde(default)]
    pub variant: String,
}

impl Platform {
    /// The platform this program was built for.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "x86" => ("386", ""),
            "aarch64" => ("arm64", "v8"),
            "arm" => ("arm", "v7"),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", ""),
            "loongarch64" => ("loong64", ""),
            other => (other, ""),
        };
        Self {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: variant.into(),
        }
    }

    /// How well an image for `offered` runs on this platform; `None` when it does not, and the
    /// smaller the better. What an image leaves unsaid fits.
    pub fn rank(&self, offered: &Platform) -> Option<u32> {
        if offered.os.is_empty() && offered.architecture.is_empty() {
            return Some(100);
        }
        let same_os = offered.os == self.os || offered.os.is_empty();
        let same_architecture =
            offered.architecture == self.architecture || offered.architecture.is_empty();
        if !same_os || !same_architecture {
            return None;
        }
        let wanted = variant_number(&self.variant, &self.architecture)?;
        let offered = variant_number(&offered.variant, &self.architecture)?;
        wanted.checked_sub(offered)
    }
}

/// The generation a variant asks for; an absent one is the oldest that is common.
fn variant_number(variant: &str, architecture: &str) -> Option<u32> {
    match (variant.strip_prefix('v'), architecture) {
        (None, "amd64") => Some(1),
        (None, "arm") => Some(7),
        (None, "arm64") => Some(8),
        (None, _) => Some(0),
        // Minor versions (v8.2) are extensions that a program may need.
        (Some(number), _) => number.parse().ok(),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.variant)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Platform {
            os: next(),
            architecture: next(),
            variant: next(),
        }
    }

    #[test]
    fn only_what_runs_here_is_taken() {
        for (host, offered, fits) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/amd64", "linux/amd64/v1", true),
            ("linux/amd64", "linux/amd64/v3", false),
            ("linux/amd64", "windows/amd64", false),
            ("linux/amd64", "unknown/unknown", false),
            ("linux/amd64", "linux/arm64", false),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm64/v8", "linux/arm64/v8", true),
            ("linux/arm/v7", "linux/arm/v6", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/amd64", "", true),
        ] {
            assert_eq!(
                platform(host).rank(&platform(offered)).is_some(),
                fits,
                "{host} {offered}"
            );
        }
    }

    #[test]
    fn the_closest_variant_is_the_best() {
        let host = platform("linux/arm/v7");
        assert!(host.rank(&platform("linux/arm/v7")) < host.rank(&platform("linux/arm/v6")));
    }
}
