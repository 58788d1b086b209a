//! Device rules as a program for the kernel (BPF_PROG_TYPE_CGROUP_DEVICE).
//!
//! The kernel asks the program at each open and mknod; it answers 1 for yes, 0 for no. Rules are
//! tried from the last to the first, and the first that fits decides: so a later rule overrides an
//! earlier one, as with the v1 files. What no rule fits is refused.
//!
//! ```text
//! r2 = type of device, r3 = access, r4 = major, r5 = minor      (from the context in r1)
//! rule:  if r2 != type   goto next
//!        if r3 & ~access goto next      (an allow rule must cover all of the access;
//!                                        a deny rule fits when it touches any of it)
//!        if r4 != major  goto next
//!        if r5 != minor  goto next
//!        return allow
//! next:  …
//! end:   return 0
//! ```

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

/// One instruction, as the kernel reads it.
pub(super) type Instruction = u64;

const LOAD_WORD: u8 = 0x61;
const AND_32: u8 = 0x54;
const SHIFT_RIGHT_32: u8 = 0x74;
const MOVE: u8 = 0xb7;
const JUMP: u8 = 0x05;
const JUMP_IF_NOT: u8 = 0x55;
const JUMP_IF_BITS: u8 = 0x45;
const EXIT: u8 = 0x95;

const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const ALL_ACCESS: i32 = 7;

/// Why rules cannot be a program.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum ProgramError {
    /// Neither character nor block device, nor all.
    #[error("a device rule is for type {0:?}, which is not a device")]
    Type(LinuxDeviceType),
    /// Not of `rwm`.
    #[error("a device rule is for access {0:?}, which is not of r, w and m")]
    Access(String),
    /// Out of range.
    #[error("a device rule is for device number {0}, which is out of range")]
    Number(i64),
}

/// The program for these rules; `None` when they allow everything.
pub(super) fn assemble(
    rules: &[LinuxDeviceCgroup],
) -> Result<Option<Vec<Instruction>>, ProgramError> {
    let rules = rules.iter().map(Rule::of).collect::<Result<Vec<_>, _>>()?;
    if rules
        .last()
        .is_some_and(|rule| rule.allow && rule.fits_everything())
    {
        return Ok(None);
    }
    let mut program = vec![
        instruction(LOAD_WORD, TYPE, CONTEXT, 0, 0),
        instruction(AND_32, TYPE, 0, 0, 0xffff),
        instruction(LOAD_WORD, ACCESS, CONTEXT, 0, 0),
        instruction(SHIFT_RIGHT_32, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        program.extend(rule.instructions());
        // What comes after could not be reached, which the kernel refuses.
        if rule.fits_everything() {
            return Ok(Some(program));
        }
    }
    program.push(instruction(MOVE, ANSWER, 0, 0, 0));
    program.push(instruction(EXIT, 0, 0, 0, 0));
    Ok(Some(program))
}

/// A rule in the kernel's numbers; `None` is any.
#[derive(Clone, Copy)]
struct Rule {
    allow: bool,
    kind: Option<i32>,
    access: i32,
    major: Option<i32>,
    minor: Option<i32>,
}

impl Rule {
    fn of(rule: &LinuxDeviceCgroup) -> Result<Self, ProgramError> {
        let kind = match rule.typ().unwrap_or_default() {
            LinuxDeviceType::A => None,
            LinuxDeviceType::B => Some(1),
            LinuxDeviceType::C | LinuxDeviceType::U => Some(2),
            kind @ LinuxDeviceType::P => return Err(ProgramError::Type(kind)),
        };
        Ok(Self {
            allow: rule.allow(),
            kind,
            access: access(rule.access().as_deref().unwrap_or("rwm"))?,
            major: number(rule.major())?,
            minor: number(rule.minor())?,
        })
    }

    fn fits_everything(&self) -> bool {
        let is_any = self.kind.is_none() && self.major.is_none() && self.minor.is_none();
        is_any && self.access == ALL_ACCESS
    }

    /// The tests, each leaving for the next rule when it fails, and the answer.
    fn instructions(&self) -> Vec<Instruction> {
        let mut tests: Vec<(u8, u8, i32)> = Vec::new();
        if let Some(kind) = self.kind {
            tests.push((JUMP_IF_NOT, TYPE, kind));
        }
        if self.allow && self.access != ALL_ACCESS {
            tests.push((JUMP_IF_BITS, ACCESS, !self.access & ALL_ACCESS));
        }
        for (register, number) in [(MAJOR, self.major), (MINOR, self.minor)] {
            if let Some(number) = number {
                tests.push((JUMP_IF_NOT, register, number));
            }
        }
        let touches = !self.allow && self.access != ALL_ACCESS;
        let rest = 2 + if touches { 2 } else { 0 };
        let length = tests.len() + rest;
        let mut code: Vec<Instruction> = tests
            .iter()
            .enumerate()
            .map(|(at, &(jump, register, value))| {
                instruction(jump, register, 0, distance(length - at - 1), value)
            })
            .collect();
        if touches {
            code.push(instruction(JUMP_IF_BITS, ACCESS, 0, 1, self.access));
            code.push(instruction(JUMP, 0, 0, 2, 0));
        }
        code.push(instruction(MOVE, ANSWER, 0, 0, i32::from(self.allow)));
        code.push(instruction(EXIT, 0, 0, 0, 0));
        code
    }
}

fn distance(instructions: usize) -> i16 {
    i16::try_from(instructions).expect("a rule has at most eight instructions")
}

/// mknod is 1, read 2, write 4.
fn access(text: &str) -> Result<i32, ProgramError> {
    text.chars().try_fold(0, |mask, c| match c {
        'm' => Ok(mask | 1),
        'r' => Ok(mask | 2),
        'w' => Ok(mask | 4),
        _ => Err(ProgramError::Access(text.to_owned())),
    })
}

/// Negative numbers are how some callers write "any".
fn number(number: Option<i64>) -> Result<Option<i32>, ProgramError> {
    match number {
        None | Some(..0) => Ok(None),
        Some(number) => i32::try_from(number)
            .map(Some)
            .map_err(|_| ProgramError::Number(number)),
    }
}

/// Opcode, two registers in one byte, jump distance, constant: as `struct bpf_insn` lies in memory.
fn instruction(opcode: u8, to: u8, from: u8, offset: i16, constant: i32) -> Instruction {
    let [o0, o1] = offset.to_ne_bytes();
    let [c0, c1, c2, c3] = constant.to_ne_bytes();
    let registers = if cfg!(target_endian = "little") {
        from << 4 | to
    } else {
        to << 4 | from
    };
    u64::from_ne_bytes([opcode, registers, o0, o1, c0, c1, c2, c3])
}

#[cfg(test)]
#[path = "device_program_tests.rs"]
mod tests;
