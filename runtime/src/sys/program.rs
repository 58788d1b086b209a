//! Finding and executing a program, with errors that users know from other runtimes.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::ptr;

/// Where programs are searched when the environment names no PATH.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There are no arguments.
    #[error("no command specified")]
    Empty,
    /// An argument or a variable holds a NUL byte.
    #[error("exec: argument or environment with a NUL byte")]
    Nul,
    /// Not in any directory of PATH.
    #[error("exec: {0:?}: executable file not found in $PATH")]
    NotInPath(String),
    /// A path that leads nowhere.
    #[error("exec: {0:?}: stat {0}: no such file or directory")]
    Missing(String),
    /// A directory, or without execute permission.
    #[error("exec: {0:?}: permission denied")]
    Denied(String),
    /// The kernel refuses it.
    #[error("exec {0}: {1}")]
    Exec(String, #[source] io::Error),
}

impl ProgramError {
    /// 127 when there is no such program, 126 when it cannot be executed, as shells say it.
    pub fn code(&self) -> i32 {
        match self {
            Self::Empty | Self::Nul => 128,
            Self::NotInPath(_) | Self::Missing(_) => 127,
            Self::Exec(_, error) if error.kind() == io::ErrorKind::NotFound => 127,
            Self::Denied(_) | Self::Exec(..) => 126,
        }
    }
}

/// The file that `name` means for this process, in its root and working directory.
pub fn find(name: &str, path: &str) -> Result<PathBuf, ProgramError> {
    if name.is_empty() {
        return Err(ProgramError::Empty);
    }
    if name.contains('/') {
        return match executable(Path::new(name)) {
            Ok(true) => Ok(PathBuf::from(name)),
            Err(error) if is_absent(&error) => Err(ProgramError::Missing(name.to_owned())),
            Ok(false) | Err(_) => Err(ProgramError::Denied(name.to_owned())),
        };
    }
    let mut denied = false;
    // A relative directory in PATH would depend on the working directory: it is passed over.
    for dir in path.split(':').filter(|dir| dir.starts_with('/')) {
        let file = Path::new(dir).join(name);
        match executable(&file) {
            Ok(true) => return Ok(file),
            Err(error) if is_absent(&error) => {}
            Ok(false) | Err(_) => denied = true,
        }
    }
    match denied {
        true => Err(ProgramError::Denied(name.to_owned())),
        false => Err(ProgramError::NotInPath(name.to_owned())),
    }
}

/// The value of PATH in `env`.
pub fn search_path<'a>(env: impl IntoIterator<Item = &'a [u8]>) -> &'a str {
    env.into_iter()
        .find_map(|variable| variable.strip_prefix(b"PATH="))
        .and_then(|value| std::str::from_utf8(value).ok())
        .unwrap_or(DEFAULT_PATH)
}

/// Replaces this process by `file`; returns only when that failed.
pub fn execute<A: AsRef<[u8]>, E: AsRef<[u8]>>(file: &Path, args: &[A], env: &[E]) -> ProgramError {
    let shown = || file.display().to_string();
    let (Some(path), Some(args), Some(env)) = (
        c_string(file.as_os_str().as_bytes()),
        c_strings(args),
        c_strings(env),
    ) else {
        return ProgramError::Nul;
    };
    let (args, env) = (pointers(&args), pointers(&env));
    // SAFETY: all three are NUL-terminated, the arrays end with null, and all outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    ProgramError::Exec(shown(), io::Error::last_os_error())
}

/// Replaces this process by the open file `program`, with no environment; returns only when that
/// failed.
pub fn execute_fd(program: BorrowedFd<'_>, args: &[&CStr]) -> io::Error {
    let mut argv: Vec<*const libc::c_char> = args.iter().map(|arg| arg.as_ptr()).collect();
    argv.push(ptr::null());
    let env: [*const libc::c_char; 1] = [ptr::null()];
    // SAFETY: the path is empty (AT_EMPTY_PATH), both arrays end with null, and all outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

fn executable(file: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(file)?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Ok(false);
    }
    Ok(rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn c_string(bytes: &[u8]) -> Option<CString> {
    CString::new(bytes).ok()
}

fn c_strings<T: AsRef<[u8]>>(all: &[T]) -> Option<Vec<CString>> {
    all.iter().map(|bytes| c_string(bytes.as_ref())).collect()
}

fn pointers(all: &[CString]) -> Vec<*const libc::c_char> {
    all.iter()
        .map(|text| text.as_ptr())
        .chain([ptr::null()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_path_and_errors_read_as_users_know_them() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let bin = dir.path().to_str().expect("a UTF-8 path");
        fs::write(dir.path().join("data"), "").expect("a file");
        fs::write(dir.path().join("tool"), "").expect("a file");
        fs::set_permissions(dir.path().join("tool"), fs::Permissions::from_mode(0o755))
            .expect("a mode");
        assert_eq!(
            find("tool", bin).expect("the tool"),
            dir.path().join("tool")
        );
        let cases = [
            (
                "nosuch",
                127,
                "exec: \"nosuch\": executable file not found in $PATH",
            ),
            ("data", 126, "exec: \"data\": permission denied"),
            (
                "/no/such",
                127,
                "exec: \"/no/such\": stat /no/such: no such file or directory",
            ),
            ("/tmp", 126, "exec: \"/tmp\": permission denied"),
            ("", 128, "no command specified"),
        ];
        for (name, code, message) in cases {
            let error = find(name, bin).expect_err(name);
            assert_eq!((error.code(), error.to_string().as_str()), (code, message));
        }
    }

    #[test]
    fn relative_directories_in_path_are_passed_over() {
        assert!(matches!(
            find("Cargo.toml", ".:"),
            Err(ProgramError::NotInPath(_))
        ));
    }
}
