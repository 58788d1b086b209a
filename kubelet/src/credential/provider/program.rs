//! Runs a program: the question on its standard input, the answer on its standard output.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::ProviderError;
use super::config::Settings;
use super::exchange::{Answer, AnswerError, answer, question};
use crate::credential::CredentialMetrics;

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What is read of its answer, and of its complaints.
const MOST: u64 = 1 << 20;

/// Why a program gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("cannot run credential provider plugin {}", .program.display())]
    Run {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("credential provider plugin {} is not done after a minute", .program.display())]
    TimedOut { program: PathBuf },
    #[error("credential provider plugin {} ended with {status}: {complaint}", .program.display())]
    Failed {
        program: PathBuf,
        status: ExitStatus,
        complaint: String,
    },
    #[error("credential provider plugin {} answered something else", .program.display())]
    Answer {
        program: PathBuf,
        #[source]
        source: AnswerError,
    },
}

type Outcome = Result<Arc<Answer>, Arc<AskError>>;
type Run = BoxFuture<'static, Outcome>;

/// A program, and the runs of it that go on now.
pub(super) struct Program {
    call: Arc<Call>,
    /// By image: who asks the same meanwhile waits for the same run.
    running: Mutex<HashMap<String, WeakShared<Run>>>,
}

/// How it is run.
struct Call {
    path: PathBuf,
    settings: Settings,
    metrics: CredentialMetrics,
}

impl Program {
    /// The program of a provider, which must be there.
    pub(super) fn find(
        directory: &Path,
        settings: &Settings,
        metrics: &CredentialMetrics,
    ) -> Result<Self, ProviderError> {
        let path = directory.join(&settings.name);
        let is_program = std::fs::metadata(&path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        if !is_program {
            return Err(ProviderError::NoProgram(path));
        }
        Ok(Self {
            call: Arc::new(Call {
                path,
                settings: settings.clone(),
                metrics: metrics.clone(),
            }),
            running: Mutex::default(),
        })
    }

    /// What it says about an image.
    pub(super) async fn ask(&self, image: &str) -> Outcome {
        let run = self.run(image);
        run.await
    }

    fn run(&self, image: &str) -> Shared<Run> {
        let mut running = self
            .running
            .lock()
            .expect("no holder of this lock can panic");
        running.retain(|_, run| run.upgrade().is_some());
        if let Some(run) = running.get(image).and_then(WeakShared::upgrade) {
            return run;
        }
        let (call, asked) = (Arc::clone(&self.call), image.to_owned());
        let run: Run =
            async move { call.ask(&asked).await.map(Arc::new).map_err(Arc::new) }.boxed();
        let run = run.shared();
        let weak = run.downgrade().expect("it was not polled yet");
        running.insert(image.to_owned(), weak);
        run
    }
}

impl Call {
    async fn ask(&self, image: &str) -> Result<Answer, AskError> {
        let began = Instant::now();
        let ended = tokio::time::timeout(TIMEOUT, self.exchange(image)).await;
        let name = &self.settings.name;
        self.metrics.ran(name, began.elapsed());
        let program = || self.path.clone();
        let written = match ended {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(source)) => Err(AskError::Run {
                program: program(),
                source,
            }),
            Err(_) => Err(AskError::TimedOut { program: program() }),
        };
        let (status, output, complaint) = written.inspect_err(|_| self.metrics.failed(name))?;
        if !status.success() {
            self.metrics.failed(name);
            return Err(AskError::Failed {
                program: program(),
                status,
                complaint: String::from_utf8_lossy(&complaint).trim().to_owned(),
            });
        }
        answer(&self.settings.api_version, &output).map_err(|source| AskError::Answer {
            program: program(),
            source,
        })
    }

    /// Its status, its answer and its complaints.
    async fn exchange(&self, image: &str) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let settings = &self.settings;
        let mut child = Command::new(&self.path)
            .args(&settings.args)
            .envs(settings.env.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().expect("it was asked for");
        let output = child.stdout.take().expect("it was asked for");
        let errors = child.stderr.take().expect("it was asked for");
        let ask = async {
            // A program may answer without listening.
            let _ = input
                .write_all(&question(&settings.api_version, image))
                .await;
            drop(input);
        };
        let (mut answer, mut complaint) = (Vec::new(), Vec::new());
        let (mut output, mut errors) = (output.take(MOST), errors.take(MOST));
        let ((), read, complained) = tokio::join!(
            ask,
            output.read_to_end(&mut answer),
            errors.read_to_end(&mut complaint),
        );
        // What is left unread must not hold the program up.
        drop((output, errors));
        read?;
        complained?;
        Ok((child.wait().await?, answer, complaint))
    }
}
