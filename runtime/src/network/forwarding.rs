//! Forwarding of packets between the interfaces of the machine, in the calling thread's namespace.
//!
//! A change for the whole namespace, so it is made only where needed, said, and never undone: others
//! may rely on it by then.

use std::fs;
use std::io;

use super::ipv6;
use super::subnet::Family;

/// The kernel's file.
pub(super) fn file(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "/proc/sys/net/ipv4/ip_forward",
        Family::Ipv6 => "/proc/sys/net/ipv6/conf/all/forwarding",
    }
}

/// Whether packets are forwarded.
pub(super) fn is_on(family: Family) -> bool {
    fs::read_to_string(file(family)).is_ok_and(|value| value.trim() != "0")
}

/// Turns it on.
pub(super) fn turn_on(family: Family) -> io::Result<()> {
    if is_on(family) {
        return Ok(());
    }
    let file = file(family);
    if family == Family::Ipv6 {
        go_on_listening_to_routers()?;
    }
    fs::write(file, "1")?;
    tracing::info!("turned on {family} forwarding ({file})");
    Ok(())
}

/// Who forwards IPv6 is taken for a router, and takes neither address nor default route from another
/// one: a machine that has its own from there would lose them. 2 is "although it forwards".
fn go_on_listening_to_routers() -> io::Result<()> {
    for interface in ipv6::interfaces()? {
        if ipv6::read(&interface, ipv6::ACCEPT_ROUTERS).as_deref() == Some("1") {
            ipv6::write(&interface, ipv6::ACCEPT_ROUTERS, "2")?;
            tracing::info!(
                interface,
                "IPv6 routers are listened to although it forwards"
            );
        }
    }
    Ok(())
}
