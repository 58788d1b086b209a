//! From values to bytes. Everything is aligned to its own size, counted from the beginning.

use crate::property::{Property, Value};

/// Bytes that are being written.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Zeros up to a multiple of `size`.
    pub fn align(&mut self, size: usize) {
        let length = self.0.len().next_multiple_of(size);
        self.0.resize(length, 0);
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// `u`
    pub fn u32(&mut self, value: u32) {
        self.align(4);
        self.0.extend(value.to_ne_bytes());
    }

    /// `t`
    pub fn u64(&mut self, value: u64) {
        self.align(8);
        self.0.extend(value.to_ne_bytes());
    }

    /// `b`
    pub fn truth(&mut self, value: bool) {
        self.u32(value.into());
    }

    /// `s` and `o`
    pub fn text(&mut self, value: &str) {
        self.u32(length(value.len()));
        self.0.extend(value.as_bytes());
        self.0.push(0);
    }

    /// `g`; all signatures here are short.
    pub fn signature(&mut self, value: &str) {
        self.0.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        self.0.extend(value.as_bytes());
        self.0.push(0);
    }

    /// `a`: its length, which does not count the padding before the first element.
    pub fn array(&mut self, element_alignment: usize, write: impl FnOnce(&mut Self)) {
        self.u32(0);
        let at = self.0.len() - 4;
        self.align(element_alignment);
        let start = self.0.len();
        write(self);
        let written = length(self.0.len() - start);
        self.0[at..at + 4].copy_from_slice(&written.to_ne_bytes());
    }

    /// `a(sv)`
    pub fn properties(&mut self, properties: &[Property]) {
        self.array(8, |writer| {
            for Property { name, value } in properties {
                writer.align(8);
                writer.text(name);
                writer.variant(value);
            }
        });
    }

    fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        match value {
            Value::Truth(value) => self.truth(*value),
            Value::Text(value) => self.text(value),
            Value::Texts(values) => self.array(4, |writer| {
                values.iter().for_each(|value| writer.text(value));
            }),
            Value::Number(value) => self.u64(*value),
            Value::Pids(values) => self.array(4, |writer| {
                values.iter().for_each(|value| writer.u32(*value));
            }),
        }
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("nothing that is written here has gigabytes")
}
