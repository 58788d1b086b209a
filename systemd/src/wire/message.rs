//! One message: who says what to whom, and its body.

use super::{LONGEST, Reader, WireError, Writer};

/// Bytes that every message begins with; they say how long it is.
pub const FIXED: usize = 16;

const ORDER: u8 = if cfg!(target_endian = "little") {
    b'l'
} else {
    b'B'
};
const VERSION: u8 = 1;

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A question.
    #[default]
    Call,
    /// Its answer.
    Return,
    /// Or why there is none.
    Error,
    /// Told to whoever listens.
    Signal,
    /// Of a later protocol; to be passed over.
    Unknown,
}

/// What the header says besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The object.
    pub path: Option<String>,
    /// Its interface.
    pub interface: Option<String>,
    /// Method or signal.
    pub member: Option<String>,
    /// What kind of error.
    pub error: Option<String>,
    /// Which call is answered.
    pub reply_to: Option<u32>,
    /// Whom it is for, on a bus.
    pub destination: Option<String>,
    /// Types of the body.
    pub signature: Option<String>,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Its sender's count.
    pub serial: u32,
    /// The header.
    pub fields: Fields,
    /// Values as the signature says.
    pub body: Vec<u8>,
}

/// How long the whole message is that begins so.
pub fn size_of(fixed: &[u8; FIXED]) -> Result<usize, WireError> {
    let mut reader = Reader::new(fixed);
    let order = reader.byte()?;
    let (_kind, _flags, version) = (reader.byte()?, reader.byte()?, reader.byte()?);
    if (order, version) != (ORDER, VERSION) {
        return Err(WireError::Protocol);
    }
    let (body, _serial, fields) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let size = u64::from(fields).next_multiple_of(8) + u64::from(body) + FIXED as u64;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    match size > LONGEST {
        true => Err(WireError::Long(size)),
        false => Ok(size),
    }
}

impl Message {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.byte(ORDER);
        writer.byte(match self.kind {
            Kind::Call => 1,
            Kind::Return => 2,
            Kind::Error => 3,
            Kind::Signal => 4,
            Kind::Unknown => 0,
        });
        writer.byte(0);
        writer.byte(VERSION);
        writer.u32(u32::try_from(self.body.len()).expect("no body here has gigabytes"));
        writer.u32(self.serial);
        writer.array(8, |writer| self.fields.write(writer));
        writer.align(8);
        let mut bytes = writer.into_bytes();
        bytes.extend(&self.body);
        bytes
    }

    /// From the bytes of exactly one message.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let fixed = bytes.first_chunk().ok_or(WireError::Short)?;
        let size = size_of(fixed)?;
        let mut reader = Reader::new(bytes.get(..size).ok_or(WireError::Short)?);
        reader.byte()?;
        let kind = match reader.byte()? {
            1 => Kind::Call,
            2 => Kind::Return,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => Kind::Unknown,
        };
        reader.skip("q")?;
        let body = usize::try_from(reader.u32()?).map_err(|_| WireError::Short)?;
        let serial = reader.u32()?;
        let fields = Fields::read(&mut reader)?;
        let body = bytes.get(size - body..size).ok_or(WireError::Short)?;
        Ok(Self {
            kind,
            serial,
            fields,
            body: body.to_owned(),
        })
    }
}

impl Fields {
    fn write(&self, writer: &mut Writer) {
        let mut text = |code, signature, value: &Option<String>| {
            if let Some(value) = value {
                writer.align(8);
                writer.byte(code);
                writer.signature(signature);
                writer.text(value);
            }
        };
        text(1, "o", &self.path);
        text(2, "s", &self.interface);
        text(3, "s", &self.member);
        text(4, "s", &self.error);
        text(6, "s", &self.destination);
        if let Some(serial) = self.reply_to {
            writer.align(8);
            writer.byte(5);
            writer.signature("u");
            writer.u32(serial);
        }
        if let Some(signature) = &self.signature {
            writer.align(8);
            writer.byte(8);
            writer.signature("g");
            writer.signature(signature);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut found = Self::default();
        let mut fields = reader.array(8)?;
        while !fields.is_at_end() {
            fields.align(8);
            let code = fields.byte()?;
            let signature = fields.signature()?;
            let text = match (code, signature) {
                (1, "o") => &mut found.path,
                (2, "s") => &mut found.interface,
                (3, "s") => &mut found.member,
                (4, "s") => &mut found.error,
                (6, "s") => &mut found.destination,
                (5, "u") => {
                    found.reply_to = Some(fields.u32()?);
                    continue;
                }
                (8, "g") => {
                    found.signature = Some(fields.signature()?.to_owned());
                    continue;
                }
                // Who sent it, descriptors, and what later protocols add.
                (_, signature) => {
                    fields.skip(signature)?;
                    continue;
                }
            };
            *text = Some(fields.text()?.to_owned());
        }
        Ok(found)
    }
}
