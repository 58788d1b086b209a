//! The node agent: from pod sources to CRI calls and back to pod status.
