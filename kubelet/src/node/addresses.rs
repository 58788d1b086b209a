//! The node's addresses, found as upstream's kubelet finds them: those that are configured, else what its
//! name means, else where packets to the outside come from.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::host;

/// How long a look-up of the name may take: who is slower is asked again the next time.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the addresses come from.
#[derive(Clone, Debug)]
pub(crate) struct AddressBook {
    /// The node's name.
    pub(crate) name: String,
    /// Those that are configured (`--node-ip`).
    pub(crate) chosen: Vec<IpAddr>,
}

impl AddressBook {
    /// The addresses now, the primary first.
    pub(crate) async fn look_up(&self) -> Vec<IpAddr> {
        if !self.chosen.is_empty() {
            return self.chosen.clone();
        }
        if let Ok(address) = self.name.parse() {
            return vec![address];
        }
        let found = timeout(PATIENCE, lookup_host((self.name.as_str(), 0))).await;
        let found: Vec<IpAddr> = match found {
            Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
            _ => Vec::new(),
        };
        vec![best(&found, host::is_own).unwrap_or_else(host::address)]
    }
}

/// The first that can be the node's, of IPv4 if there is one.
fn best(found: &[IpAddr], is_own: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut good = found.iter().copied().filter(|address| is_own(*address));
    let first = good.next()?;
    match first {
        IpAddr::V4(_) => Some(first),
        IpAddr::V6(_) => good.find(IpAddr::is_ipv4).or(Some(first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_that_are_configured_come_before_the_name_and_that_before_the_route() {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let book = |name: &str, chosen: &[IpAddr]| AddressBook {
            name: name.to_owned(),
            chosen: chosen.to_vec(),
        };
        let chosen = [local, "::1".parse().unwrap()];
        assert_eq!(book("10.0.0.5", &chosen).look_up().await, chosen);
        let of_name = book("10.0.0.5", &[]).look_up().await;
        assert_eq!(of_name, ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        // Loopback is nobody's address to others.
        let of_route = book("localhost", &[]).look_up().await;
        assert_eq!(of_route, [host::address()]);
    }

    #[test]
    fn of_what_a_name_means_the_first_own_address_counts_and_the_older_family_first() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let found = ["fd00::5", "10.0.0.9", "10.0.0.5", "10.0.0.6"].map(address);
        let own = |ip: IpAddr| ip != address("10.0.0.9");
        assert_eq!(best(&found, own), Some(address("10.0.0.5")));
        assert_eq!(best(&found[..2], own), Some(address("fd00::5")));
        assert_eq!(best(&found, |_| false), None);
    }
}
