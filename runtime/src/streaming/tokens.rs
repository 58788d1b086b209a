//! Calls that wait for their clients, each behind a token that works once and for one minute.
#![deny(clippy::disallowed_methods)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::sessions::Call;

/// How long a token works.
const LIFETIME: Duration = Duration::from_secs(60);
/// How many may wait.
const LIMIT: usize = 1000;

/// Too many calls wait for their clients.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{LIMIT} streaming requests wait for their clients already: try again in a minute")]
pub struct TooManyInFlight;

/// Calls by token.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    waiting: HashMap<String, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    call: Call,
    until: Instant,
}

impl Tokens {
    /// Keeps a call behind a token made of `random`.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        random: [u8; 32],
        call: Call,
    ) -> Result<String, TooManyInFlight> {
        self.waiting.retain(|_, waiting| now < waiting.until);
        if self.waiting.len() >= LIMIT {
            return Err(TooManyInFlight);
        }
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let until = now + LIFETIME;
        self.waiting.insert(token.clone(), Waiting { call, until });
        Ok(token)
    }

    /// Takes the call behind a token, which has worked then.
    pub(super) fn take(&mut self, now: Instant, token: &str) -> Option<Call> {
        let waiting = self.waiting.remove(token)?;
        (now < waiting.until).then_some(waiting.call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streaming::sessions::PortForwardCall;

    fn call() -> Call {
        Call::PortForward(PortForwardCall {
            sandbox: "s".to_owned(),
            ports: Vec::new(),
        })
    }

    fn random(number: usize) -> [u8; 32] {
        let mut random = [0; 32];
        random[..8].copy_from_slice(&number.to_be_bytes());
        random
    }

    /// Any moment will do.
    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some moment")]
        Instant::now()
    }

    #[test]
    fn a_token_works_once() {
        let (mut tokens, now) = (Tokens::default(), start());
        let token = tokens.insert(now, random(1), call()).expect("room");
        assert_eq!(token.len(), 64);
        assert_eq!(tokens.take(now, &token), Some(call()));
        assert_eq!(tokens.take(now, &token), None);
    }

    #[test]
    fn a_token_works_for_a_minute() {
        let (mut tokens, now) = (Tokens::default(), start());
        let token = tokens.insert(now, random(1), call()).expect("room");
        assert_eq!(tokens.take(now + LIFETIME, &token), None);
    }

    #[test]
    fn a_thousand_calls_may_wait_and_old_ones_make_room() {
        let (mut tokens, now) = (Tokens::default(), start());
        for number in 0..LIMIT {
            tokens.insert(now, random(number), call()).expect("room");
        }
        assert_eq!(
            tokens.insert(now, random(LIMIT), call()),
            Err(TooManyInFlight)
        );
        let later = now + LIFETIME;
        assert!(tokens.insert(later, random(LIMIT), call()).is_ok());
    }
}
