//! `/logs/`: the machine's logs, below one directory: files as they are, and lists of directories.
//!
//! Links are followed as far as they stay below the directory: pods that may write there must not have the
//! kubelet read other files of the machine for whoever asks.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use axum::body::{Body, Bytes};
use axum::extract::{Path as Asked, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{StatusCode, Uri, header};
use rustix::fs::OFlags;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::log_query::{Bad, Wanted, wanted};
use super::query::Query;
use super::refusal::Refusal;
use super::routes::off;
use super::{Shown, journal};

/// Chunks on their way to a slow reader, and their size.
const QUEUE: usize = 4;
const CHUNK: usize = 64 << 10;

/// What is at a path.
enum Found {
    /// A file of this length.
    File(File, u64),
    /// A directory with these names; those of directories end with a slash.
    Directory(Vec<String>),
}

/// The machine's logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemLogs {
    /// Where they are.
    pub root: PathBuf,
    /// Whether more than files may be asked for.
    pub queries: Queries,
}

impl SystemLogs {
    /// Files of this directory alone.
    pub fn below(root: PathBuf) -> Self {
        Self {
            root,
            queries: Queries::Ignored,
        }
    }
}

/// Whether more than files may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queries {
    /// A query is passed over.
    Ignored,
    /// It is answered.
    Answered,
}

/// To the top.
pub(super) async fn to_top(uri: Uri) -> Redirect {
    let query = uri.query().map(|query| format!("?{query}"));
    Redirect::permanent(&format!("/logs/{}", query.unwrap_or_default()))
}

/// The directory itself.
pub(super) async fn top(state: State<Shown>, uri: Uri) -> Result<Response, Refusal> {
    below(state, Asked(String::new()), uri).await
}

/// What is below it.
pub(super) async fn below(
    State(shown): State<Shown>,
    Asked(path): Asked<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Some(SystemLogs { root, queries }) = shown.exhibits.system_logs.clone() else {
        return Err(off("logs endpoint is disabled."));
    };
    let wanted = match queries {
        Queries::Ignored => Wanted::Path,
        Queries::Answered => wanted(&Query::of(&uri)).map_err(refusal)?,
    };
    let path = match wanted {
        Wanted::Path => path,
        Wanted::File(file) => file.trim_start_matches('/').to_owned(),
        Wanted::Services(services, choice) => return Ok(journal::show(&root, services, choice)),
    };
    let look = tokio::task::spawn_blocking(move || find(&root, &path)).await;
    let found = look.map_err(|_| Refusal::internal("cannot look for the log\n"))?;
    match found {
        Ok(Found::File(file, length)) => Ok(show(file, length)),
        // Names of a list are relative to it.
        Ok(Found::Directory(_)) if !uri.path().ends_with('/') => {
            Ok(Redirect::permanent(&format!("{}/", uri.path())).into_response())
        }
        Ok(Found::Directory(names)) => Ok(list(&names)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Refusal::not_found("404 page not found\n"))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Refusal::new(StatusCode::FORBIDDEN, "403 Forbidden\n"))
        }
        Err(error) => Err(Refusal::internal(format!("{error}\n"))),
    }
}

fn refusal(bad: Bad) -> Refusal {
    match bad {
        Bad::Malformed(words) => Refusal::bad_request(words + "\n"),
        Bad::Unacceptable(words) => Refusal::new(StatusCode::NOT_ACCEPTABLE, words + "\n"),
    }
}

/// What is in a file below the directory, if there is one.
pub(super) fn read_file(root: &Path, path: &str) -> Option<Vec<u8>> {
    match find(root, path).ok()? {
        Found::File(file, length) => {
            let mut text = Vec::new();
            file.take(length).read_to_end(&mut text).ok()?;
            Some(text)
        }
        Found::Directory(_) => None,
    }
}

/// What is at a path below the directory.
fn find(root: &Path, path: &str) -> io::Result<Found> {
    let outside = || io::Error::from(io::ErrorKind::NotFound);
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(path).components().all(is_plain) {
        return Err(outside());
    }
    let root = fs::canonicalize(root)?;
    let place = fs::canonicalize(root.join(path))?;
    // A pipe, or a device, would be waited for.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).expect("flags of open are small"))
        .open(place)?;
    // Where it really is, whatever was made of the way to it meanwhile.
    let opened = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    if !opened.starts_with(&root) {
        return Err(outside());
    }
    let kind = file.metadata()?;
    if kind.is_dir() {
        return names(&opened).map(Found::Directory);
    }
    match kind.is_file() {
        true => Ok(Found::File(file, kind.len())),
        false => Err(outside()),
    }
}

fn names(directory: &PathBuf) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(directory)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        names.push(match entry.file_type()?.is_dir() {
            true => name + "/",
            false => name,
        });
    }
    names.sort();
    Ok(names)
}

/// A page with a link to each, as Go's file server has it.
fn list(names: &[String]) -> Response {
    let mut page =
        "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n"
            .to_owned();
    for name in names {
        // Writing to a text cannot fail.
        let _ = writeln!(page, "<a href=\"{}\">{}</a>", linked(name), shown(name));
    }
    page.push_str("</pre>\n");
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

/// A name in a link.
fn linked(name: &str) -> String {
    let mut link = String::new();
    // What is before a colon would be a scheme.
    if name.contains(':') {
        link.push_str("./");
    }
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                link.push(char::from(byte));
            }
            _ => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
    link
}

/// A name in a page.
fn shown(name: &str) -> String {
    let mut text = String::new();
    for one in name.chars() {
        match one {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&#34;"),
            '\'' => text.push_str("&#39;"),
            _ => text.push(one),
        }
    }
    text
}

/// A file as it was long when it was opened: logs grow.
fn show(file: File, length: u64) -> Response {
    let (chunks, body) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut rest = file.take(length);
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = rest.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
            let chunk = match read {
                Ok(0) => return,
                Ok(_) => Ok(chunk.into()),
                Err(error) => Err(error),
            };
            // A reader that has left needs no more.
            if chunk.is_err() || chunks.blocking_send(chunk).is_err() {
                return;
            }
        }
    });
    let head = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (head, Body::from_stream(ReceiverStream::new(body))).into_response()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn text(root: &Path, path: &str) -> Option<String> {
        match find(root, path).ok()? {
            Found::File(mut file, _) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                Some(text)
            }
            Found::Directory(names) => Some(names.join(" ")),
        }
    }

    #[test]
    fn logs_are_shown_and_nothing_else_of_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("log");
        fs::create_dir_all(root.join("pods/a")).unwrap();
        fs::write(root.join("pods/a/0.log"), "hello").unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        symlink(root.join("pods/a/0.log"), root.join("link")).unwrap();
        symlink(folder.path().join("secret"), root.join("out")).unwrap();
        symlink("/", root.join("all")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(text(&root, "").unwrap(), "all link out pipe pods/");
        assert_eq!(text(&root, "pods/a/0.log").as_deref(), Some("hello"));
        assert_eq!(text(&root, "link").as_deref(), Some("hello"));
        for path in [
            "out",
            "all",
            "all/etc/passwd",
            "../secret",
            "pods/../../secret",
            "pipe",
            "none",
            "/etc/passwd",
        ] {
            assert_eq!(text(&root, path), None, "{path}");
        }
    }

    #[test]
    fn names_are_written_so_that_they_mean_themselves() {
        assert_eq!(linked("a b?#%.log"), "a%20b%3F%23%25.log");
        assert_eq!(linked("a:b/"), "./a%3Ab/");
        assert_eq!(shown("<a & 'b'>"), "&lt;a &amp; &#39;b&#39;&gt;");
    }
}
