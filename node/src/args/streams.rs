//! The command line of what streams into pods: exec, attach, port-forward.

use std::net::{IpAddr, Ipv4Addr};

use clap::Args;

use super::NamespaceArguments;
use crate::completion;

/// Whose streams, and which of them.
#[derive(Debug, Args)]
pub(crate) struct StreamsArguments {
    /// Name of the pod; the one in a manifest will do, without the node's name.
    #[arg(add = completion::pods())]
    pub(crate) pod: String,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Container of the pod [default: its first].
    #[arg(short, long, add = completion::containers())]
    pub(crate) container: Option<String>,
    /// Pass standard input on.
    #[arg(short = 'i', long)]
    pub(crate) stdin: bool,
    /// Standard input is a terminal: let the other side have one.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Print what comes from the other side alone.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `podling exec`.
#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// Where, and with which streams.
    #[command(flatten)]
    pub(crate) streams: StreamsArguments,
    /// The command and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `podling port-forward`.
#[derive(Debug, Args)]
pub(crate) struct PortForwardArguments {
    /// Name of the pod.
    #[arg(add = completion::pods())]
    pub(crate) pod: String,
    /// Ports: `8080:80`, `80` for the same on both sides, `:80` for any that is free here.
    #[arg(required = true, value_name = "[LOCAL:]REMOTE", value_parser = forwarding)]
    pub(crate) ports: Vec<Forwarding>,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Addresses of this machine to listen on.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS", value_parser = address,
          default_value = "localhost")]
    pub(crate) address: Vec<IpAddr>,
}

/// A port here and one of the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forwarding {
    /// Here; 0 for any that is free.
    pub(crate) local: u16,
    /// The pod's.
    pub(crate) remote: u16,
}

fn forwarding(text: &str) -> Result<Forwarding, String> {
    let (local, remote) = text.split_once(':').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().ok();
    let local = if local.is_empty() {
        Some(0)
    } else {
        number(local)
    };
    match (local, number(remote)) {
        (Some(local), Some(remote)) if remote > 0 => Ok(Forwarding { local, remote }),
        _ => Err(format!("{text:?} is not a pair of ports like 8080:80")),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    text.parse()
        .map_err(|_| format!("{text:?} is not an IP address or localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_forwarded_from_the_same_another_or_any_port() {
        for (text, local, remote) in [("80", 80, 80), ("8080:80", 8080, 80), (":80", 0, 80)] {
            assert_eq!(forwarding(text), Ok(Forwarding { local, remote }), "{text}");
        }
        for text in ["", ":", "80:", "0", "a:80", "80:70000"] {
            assert!(forwarding(text).is_err(), "{text}");
        }
    }
}
