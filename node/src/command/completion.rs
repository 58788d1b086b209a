//! `podling completion`: what a shell evaluates so that it completes this command's line.

use super::{Outcome, output};
use crate::args::Shell;
use crate::completion;

pub(super) fn run(shell: Shell) -> Outcome {
    let script = completion::script(shell.name());
    output::print(&script.ok_or("there is no completion for this shell")?)
}
