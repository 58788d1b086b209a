//! Netlink attributes as nf_tables wants them: numbers big-endian, names ending in NUL.
#![deny(clippy::disallowed_methods)]

use netlink_packet_core::NLA_F_NESTED;

/// A sequence of attributes, in the order they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// No attributes.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds raw bytes.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).expect("an attribute is shorter than 64 KiB");
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a name.
    pub(super) fn name(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), b"\0"].concat())
    }

    /// Adds a number.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds attributes within an attribute.
    pub(super) fn nest(self, kind: u16, value: &Attributes) -> Self {
        self.bytes(kind | NLA_F_NESTED, &value.0)
    }

    /// As they go on the wire.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The value of the first attribute of this kind in what the kernel sent.
pub(in crate::network) fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    const FLAGS: u16 = 0xc000; // NLA_F_NESTED and NLA_F_NET_BYTEORDER.
    loop {
        let (header, rest) = attributes.split_at_checked(4)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let found = u16::from_ne_bytes([header[2], header[3]]) & !FLAGS;
        let value = rest.get(..length.checked_sub(4)?)?;
        if found == kind {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_padded_to_four_bytes_and_counts_its_true_length() {
        let attributes = Attributes::new().name(1, "abcd").number(2, 0x0102_0304);
        let mut expected = vec![9, 0, 1, 0, b'a', b'b', b'c', b'd', 0, 0, 0, 0];
        expected.extend([8, 0, 2, 0, 1, 2, 3, 4]);
        assert_eq!(attributes.as_bytes(), expected);
    }

    #[test]
    fn a_nest_carries_its_flag() {
        let attributes = Attributes::new().nest(3, &Attributes::new().number(1, 5));
        assert_eq!(
            attributes.as_bytes(),
            [12, 0, 3, 0x80, 8, 0, 1, 0, 0, 0, 0, 5]
        );
    }
}
