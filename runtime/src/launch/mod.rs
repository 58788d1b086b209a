//! The only caller of libcontainer: a short-lived, single-threaded helper.
