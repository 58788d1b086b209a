//! `podling pull`: shows how far each layer is when a person watches.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use podling_runtime::layout::Layout;

use super::{Outcome, credentials, output};
use crate::args::PullArguments;
use crate::cri::{self, PullStep};
use crate::print::progress::Progress;

/// Between two frames; news come with every chunk of a layer.
const FRAME: Duration = Duration::from_millis(100);

pub(super) async fn run(layout: &Layout, arguments: PullArguments) -> Outcome {
    let channel = cri::connect(&layout.socket()).await?;
    let credentials = arguments.creds.map(|text| credentials::complete(&text));
    let credentials = credentials.transpose()?;
    let mut pulling = cri::pull(channel, &arguments.image, credentials).await?;
    let mut screen = Screen::new();
    while let Some(step) = pulling.next().await? {
        match step {
            PullStep::Layer(layer) => {
                screen.progress.update(layer);
                screen.draw_when_due()?;
            }
            PullStep::Done(reference) => {
                screen.draw()?;
                return output::print(&format!("{reference}\n"));
            }
        }
    }
    Err("the daemon ended the pull without a result".into())
}

/// The progress on stderr, when that is a terminal; stdout has only the result.
struct Screen {
    progress: Progress,
    is_terminal: bool,
    drawn_at: Option<Instant>,
}

impl Screen {
    fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self {
            progress: Progress::default(),
            is_terminal,
            drawn_at: None,
        }
    }

    fn draw_when_due(&mut self) -> io::Result<()> {
        match self.drawn_at {
            Some(at) if at.elapsed() < FRAME => Ok(()),
            _ => self.draw(),
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        self.drawn_at = Some(Instant::now());
        io::stderr().write_all(self.progress.frame().as_bytes())
    }
}
