//! `/proc/PID/net/dev`: the interfaces of a network namespace.

use crate::stats::usage::{Interface, Traffic};

/// Every interface but the loopback, in the kernel's order.
pub(in crate::stats) fn interfaces(text: &str) -> Vec<Interface> {
    text.lines()
        .filter_map(interface)
        .filter(|interface| interface.name != "lo")
        .collect()
}

/// The two lines of titles have no colon and no numbers.
fn interface(line: &str) -> Option<Interface> {
    let (name, numbers) = line.split_once(':')?;
    let numbers: Vec<u64> = numbers
        .split_whitespace()
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let traffic = |from: usize| {
        let [bytes, packets, errors, dropped] = *numbers.get(from..from + 4)?.first_chunk()?;
        Some(Traffic {
            bytes,
            packets,
            errors,
            dropped,
        })
    };
    Some(Interface {
        name: name.trim().to_owned(),
        received: traffic(0)?,
        sent: traffic(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_and_the_titles_are_left_out() {
        let text = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 4165235486  431358    0    0    0     0          0         0 4165235486  431358    0    0    0     0       0          0
  eth0:     432       6    1    2    0     0          0         6      650       7    3    4    0     0       0          0
";
        let read = interfaces(text);
        assert_eq!(read.len(), 1);
        let traffic = |bytes, packets, errors, dropped| Traffic {
            bytes,
            packets,
            errors,
            dropped,
        };
        assert_eq!(read[0].name, "eth0");
        assert_eq!(read[0].received, traffic(432, 6, 1, 2));
        assert_eq!(read[0].sent, traffic(650, 7, 3, 4));
    }
}
