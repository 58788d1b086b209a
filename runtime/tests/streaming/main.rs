//! The streaming server as its clients meet it, byte by byte, over a runtime in memory.

mod commands;
mod fake;
mod http;
mod port_forward;
mod rough;
mod spdy;
mod websocket;
