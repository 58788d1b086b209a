//! From bytes to values.

use super::WireError;

/// Bytes that are being read.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// On to the next multiple of `size`.
    pub fn align(&mut self, size: usize) {
        self.at = self.at.next_multiple_of(size);
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    /// `u`
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.align(4);
        let bytes = self.take(4)?.try_into().expect("four were taken");
        Ok(u32::from_ne_bytes(bytes))
    }

    /// `t`
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.align(8);
        let bytes = self.take(8)?.try_into().expect("eight were taken");
        Ok(u64::from_ne_bytes(bytes))
    }

    /// `s` and `o`
    pub fn text(&mut self) -> Result<&'a str, WireError> {
        let length = self.u32()?;
        self.terminated(usize::try_from(length).map_err(|_| WireError::Short)?)
    }

    /// `g`
    pub fn signature(&mut self) -> Result<&'a str, WireError> {
        let length = self.byte()?;
        self.terminated(length.into())
    }

    /// The elements of an array, as a reader of their own that keeps the alignment.
    pub fn array(&mut self, element_alignment: usize) -> Result<Self, WireError> {
        let length = usize::try_from(self.u32()?).map_err(|_| WireError::Short)?;
        self.align(element_alignment);
        let start = self.at;
        self.take(length)?;
        Ok(Self {
            bytes: &self.bytes[..start + length],
            at: start,
        })
    }

    /// Passes over one value of a basic type.
    pub fn skip(&mut self, signature: &str) -> Result<(), WireError> {
        match signature {
            "y" => self.byte().map(drop),
            "n" | "q" => {
                self.align(2);
                self.take(2).map(drop)
            }
            "b" | "i" | "u" | "h" => self.u32().map(drop),
            "x" | "t" | "d" => self.u64().map(drop),
            "s" | "o" => self.text().map(drop),
            "g" => self.signature().map(drop),
            _ => Err(WireError::Type),
        }
    }

    fn terminated(&mut self, length: usize) -> Result<&'a str, WireError> {
        let bytes = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(bytes).map_err(|_| WireError::Text)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(count).ok_or(WireError::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError::Short)?;
        self.at = end;
        Ok(taken)
    }
}
