//! Keeps the bridge as it was made: others delete interfaces, turn forwarding off and flush nf_tables
//! while pods run, and the kernel tells whoever wants to hear of it.
//!
//! ```text
//! kernel ── links, addresses, forwarding, nf_tables ──► keeper ──► look ──► repair
//! ```
//!
//! What is said is not read: any of it is a reason to look. What the runtime itself changes is heard
//! too, and a look is cheap; after one there is a pause, so that a storm of changes is one look.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::PodNetwork;
use crate::sys::readable;

/// At least this long between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// No longer than this while what is missing cannot be had; twice as long each time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Interfaces, their addresses, and what is configured of them, such as forwarding.
const OF_ROUTE: [u32; 5] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV6_IFADDR,
    libc::RTNLGRP_IPV4_NETCONF,
    libc::RTNLGRP_IPV6_NETCONF,
];
/// Tables, chains and rules.
const OF_NETFILTER: [u32; 1] = [libc::NFNLGRP_NFTABLES as u32];

/// Hears of changes, in the network namespace that it was made in.
#[derive(Debug)]
pub struct Keeper {
    network: Arc<PodNetwork>,
    route: AsyncFd<OwnedFd>,
    nft: AsyncFd<OwnedFd>,
}

impl Keeper {
    /// Hears of what happens from now on in the calling thread's namespace.
    pub fn of(network: Arc<PodNetwork>) -> io::Result<Self> {
        Ok(Self {
            network,
            route: listen(NETLINK_ROUTE, &OF_ROUTE)?,
            nft: listen(NETLINK_NETFILTER, &OF_NETFILTER)?,
        })
    }

    /// Looks, and repairs, as often as there is a reason to.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut pause = PAUSE;
        loop {
            let heard = tokio::select! {
                // Cancelling loses nothing: the next runtime makes what is missing when it starts.
                () = shutdown.cancelled() => return,
                // Cancelling loses nothing: what both have to say is the same.
                heard = hear(&self.route) => heard,
                heard = hear(&self.nft) => heard,
            };
            if let Err(error) = heard {
                tracing::warn!(%error, "what others change of the pod network is not heard of any more");
                return;
            }
            pause = match self.is_well().await {
                true => PAUSE,
                false => (pause * 2).min(LONGEST_PAUSE),
            };
            tokio::select! {
                // Cancelling loses nothing, as above.
                () = shutdown.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Looks, and repairs.
    async fn is_well(&self) -> bool {
        let network = Arc::clone(&self.network);
        let looked = tokio::task::spawn_blocking(move || network.mend());
        // It does not panic, and the next look is as good.
        looked.await.unwrap_or(false)
    }
}

fn listen(protocol: isize, groups: &[u32]) -> io::Result<AsyncFd<OwnedFd>> {
    let mut socket = Socket::new(protocol)?;
    socket.bind(&SocketAddr::new(0, 0))?;
    for group in groups {
        socket.add_membership(*group)?;
    }
    socket.set_non_blocking(true)?;
    readable::watch(socket.as_fd().try_clone_to_owned()?)
}

/// Waits until something is said, and takes all of it.
async fn hear(socket: &AsyncFd<OwnedFd>) -> io::Result<()> {
    loop {
        let mut ready = socket.readable().await?;
        if let Ok(heard) = ready.try_io(|socket| take(socket.get_ref())) {
            heard?;
            while take(socket.get_ref()).is_ok() {}
            return Ok(());
        }
    }
}

/// Takes one message, unread. Having missed some is as good as having heard them.
fn take(socket: &OwnedFd) -> io::Result<()> {
    match recv(socket, &mut [0; 1][..], RecvFlags::DONTWAIT) {
        Ok(_) | Err(Errno::NOBUFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
