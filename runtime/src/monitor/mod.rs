//! The process that owns a pod: pause, containers, execs, logs, exit records.
