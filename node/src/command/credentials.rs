//! Who asks a registry: `USER:PASSWORD`, or a user whose password is asked for.

use std::io::{self, BufRead, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cri::Credentials;

/// Name and password of `USER[:PASSWORD]`.
pub(super) fn complete(text: &str) -> io::Result<Credentials> {
    match text.split_once(':') {
        Some((username, password)) => Ok(Credentials {
            username: username.to_owned(),
            password: password.to_owned(),
        }),
        None => Ok(Credentials {
            username: text.to_owned(),
            password: ask(text)?,
        }),
    }
}

/// Reads a line from stdin; from a terminal without showing it.
fn ask(username: &str) -> io::Result<String> {
    let stdin = io::stdin();
    // No terminal: a password that comes through a pipe.
    let silent = tcgetattr(&stdin).ok().map(Silent::begin).transpose()?;
    if silent.is_some() {
        eprint!("Password of {username}: ");
        io::stderr().flush()?;
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    if silent.is_some() {
        eprintln!();
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that shows nothing of what is typed, until it goes.
struct Silent(Termios);

impl Silent {
    fn begin(before: Termios) -> io::Result<Self> {
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_hold_colons_and_may_be_empty() {
        for (text, username, password) in [
            ("me:pa:ss", "me", "pa:ss"),
            ("me:", "me", ""),
            (":p", "", "p"),
        ] {
            let found = complete(text).expect("nothing is asked");
            assert_eq!(
                (found.username.as_str(), found.password.as_str()),
                (username, password)
            );
        }
    }
}
