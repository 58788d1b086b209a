//! A command that goes on, and what it has said so far.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::wait::{DEADLINE, try_for};

/// A command that runs until its test is done with it.
#[derive(Debug)]
pub struct Following {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Following {
    /// Starts it; both its outputs are read as they come.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let said = Arc::new(Mutex::new(String::new()));
        gather(child.stdout.take().expect("it is a pipe"), &said);
        gather(child.stderr.take().expect("it is a pipe"), &said);
        Self { child, said }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("no reader panics").clone()
    }

    /// Waits until what it has said is as `is_so` wants it.
    pub async fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let said = try_for(DEADLINE, async || {
            Some(self.said()).filter(|said| is_so(said))
        });
        match said.await {
            Some(said) => said,
            None => panic!("{what}: not said; it has said:\n{}", self.said()),
        }
    }

    /// Waits until it has ended by itself, and says whether well.
    pub async fn wait_ended(&mut self) -> bool {
        let child = &mut self.child;
        let ended = try_for(DEADLINE, async || child.try_wait().expect("it is a child")).await;
        ended.expect("it ends in time").success()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(output: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    // Ends with the output.
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut said = said.lock().expect("no reader panics");
            said.push_str(&line);
            said.push('\n');
        }
    });
}
