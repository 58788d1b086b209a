//! Standard input, read by a thread: a read of a terminal cannot be given up, and must not hold up
//! the end of this process.

use std::io::{self, Read};

use tokio::sync::mpsc;

const BLOCK: usize = 16 * 1024;

/// What is typed.
pub(super) struct Input(mpsc::Receiver<Vec<u8>>);

impl Input {
    /// Begins to read.
    pub(super) fn begin() -> Self {
        let (blocks, taken) = mpsc::channel(4);
        // Ends with the input, with its listener's next block, or with the process.
        std::thread::spawn(move || {
            let mut block = vec![0; BLOCK];
            loop {
                match io::stdin().lock().read(&mut block) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => return,
                    Ok(length) => {
                        if blocks.blocking_send(block[..length].to_vec()).is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Self(taken)
    }

    /// The next block; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        self.0.recv().await
    }
}
