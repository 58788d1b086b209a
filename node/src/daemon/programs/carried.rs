//! The other programs behind the end of this one's file.
//!
//! ```text
//! podling │ podling-monitor │ podling-launch │ pause │ three lengths │ digest of the three │ mark
//! ```
//!
//! The kernel loads what the program's own tables name, and nothing behind them: what is carried costs
//! disk and no memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// The programs, in the order in which they are carried.
pub(crate) const NAMES: [&str; 3] = ["podling-monitor", "podling-launch", "pause"];

/// The end of a file that carries programs.
const MARK: &[u8; 16] = b"podling carries\n";
const DIGEST: usize = 32;
const LENGTHS: usize = 3 * 8;
const TAIL: usize = LENGTHS + DIGEST + MARK.len();

/// Why the programs that are carried cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    /// This program's own file cannot be read.
    #[error("read this program's own file")]
    Read(#[from] io::Error),
    /// It is not as it was made.
    #[error("this program's file is damaged: the programs that it carries are not what they were")]
    Damaged,
    /// They cannot be written down.
    #[error("unpack the programs that this one carries to {}", path.display())]
    Unpack {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Programs that are carried, not yet read.
#[derive(Debug)]
pub(crate) struct Bundle {
    file: File,
    start: u64,
    lengths: [usize; 3],
    digest: [u8; DIGEST],
}

impl Bundle {
    /// What a file carries, if it carries something.
    pub(crate) fn of(mut file: File) -> Result<Option<Self>, BundleError> {
        let size = file.seek(SeekFrom::End(0))?;
        let Some(at) = size.checked_sub(TAIL as u64) else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(at))?;
        let mut tail = [0; TAIL];
        file.read_exact(&mut tail)?;
        let (lengths, rest) = tail.split_at(LENGTHS);
        let (digest, mark) = rest.split_at(DIGEST);
        if mark != MARK {
            return Ok(None);
        }
        let length = |at: usize| {
            let bytes = lengths[at * 8..][..8].try_into();
            u64::from_le_bytes(bytes.expect("a length has eight bytes"))
        };
        let lengths = [length(0), length(1), length(2)];
        let all = lengths
            .iter()
            .try_fold(0_u64, |sum, one| sum.checked_add(*one));
        let start = all.and_then(|all| at.checked_sub(all));
        let whole = |length: u64| usize::try_from(length).unwrap_or(usize::MAX);
        Ok(Some(Self {
            file,
            start: start.ok_or(BundleError::Damaged)?,
            lengths: lengths.map(whole),
            digest: digest.try_into().expect("the rest was split after it"),
        }))
    }

    /// What tells these programs from those of every other build.
    pub(crate) fn name(&self) -> String {
        let first = self.digest.iter().take(8);
        first.map(|byte| format!("{byte:02x}")).collect()
    }

    /// Their bytes, if they are what they were.
    pub(crate) fn programs(&mut self) -> Result<[Vec<u8>; 3], BundleError> {
        self.file.seek(SeekFrom::Start(self.start))?;
        let mut programs = self.lengths.map(|length| vec![0; length]);
        for program in &mut programs {
            self.file.read_exact(program)?;
        }
        match digest(&programs) == self.digest {
            true => Ok(programs),
            false => Err(BundleError::Damaged),
        }
    }

    /// Has a program carry others.
    pub(crate) fn append(podling: &mut Vec<u8>, programs: [Vec<u8>; 3]) {
        let digest = digest(&programs);
        programs.iter().for_each(|program| podling.extend(program));
        for program in &programs {
            podling.extend((program.len() as u64).to_le_bytes());
        }
        podling.extend(digest);
        podling.extend(MARK);
    }
}

fn digest(programs: &[Vec<u8>; 3]) -> [u8; DIGEST] {
    let mut digest = Sha256::new();
    for program in programs {
        digest.update((program.len() as u64).to_le_bytes());
        digest.update(program);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn carrying() -> Vec<u8> {
        let mut podling = b"an ELF file".to_vec();
        Bundle::append(&mut podling, ["monitor", "launch", "pause"].map(Vec::from));
        podling
    }

    #[test]
    fn what_is_carried_comes_out_again() {
        let mut bundle = Bundle::of(file(&carrying())).unwrap().unwrap();
        assert_eq!(bundle.start, b"an ELF file".len() as u64);
        assert_eq!(
            bundle.programs().unwrap(),
            ["monitor", "launch", "pause"].map(Vec::from)
        );
        assert_eq!(bundle.name().len(), 16);
    }

    #[test]
    fn a_program_that_carries_nothing_says_so() {
        assert!(Bundle::of(file(b"short")).unwrap().is_none());
        assert!(Bundle::of(file(&[7; 1000])).unwrap().is_none());
    }

    #[test]
    fn a_damaged_file_is_not_run() {
        let mut bytes = carrying();
        bytes[b"an ELF file".len()] ^= 1;
        let mut bundle = Bundle::of(file(&bytes)).unwrap().unwrap();
        assert!(matches!(bundle.programs(), Err(BundleError::Damaged)));
        let mut bytes = carrying();
        let lengths = bytes.len() - TAIL;
        bytes[lengths..][..8].fill(0xff);
        assert!(matches!(
            Bundle::of(file(&bytes)),
            Err(BundleError::Damaged)
        ));
    }
}
