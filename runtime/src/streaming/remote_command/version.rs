//! The versions of the protocol that commands are streamed with.
#![deny(clippy::disallowed_methods)]

/// A version; each can what those before it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::streaming) enum Version {
    /// The first.
    V1,
    /// Ends streams properly.
    V2,
    /// Resizes terminals.
    V3,
    /// Tells exit codes.
    V4,
    /// Closes a channel of a WebSocket.
    V5,
}

impl Version {
    /// Those that SPDY carries, best first.
    pub(in crate::streaming) const OVER_SPDY: [Self; 4] = [Self::V4, Self::V3, Self::V2, Self::V1];
    /// Those that WebSockets carry, best first.
    pub(in crate::streaming) const OVER_WEBSOCKET: [Self; 3] = [Self::V5, Self::V4, Self::V1];

    /// Its name on the wire.
    pub(in crate::streaming) fn name(self) -> &'static str {
        match self {
            Self::V1 => "channel.k8s.io",
            Self::V2 => "v2.channel.k8s.io",
            Self::V3 => "v3.channel.k8s.io",
            Self::V4 => "v4.channel.k8s.io",
            Self::V5 => "v5.channel.k8s.io",
        }
    }

    /// Whether a client with a terminal opens a stream for its sizes.
    pub(super) fn has_resize(self) -> bool {
        self >= Self::V3
    }

    /// Whether the error stream carries a `Status`, and not a sentence.
    pub(super) fn tells_status(self) -> bool {
        self >= Self::V4
    }
}
