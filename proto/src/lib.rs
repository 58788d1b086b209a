//! The CRI v1 wire contract.
