//! `podling images`.

use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::cri;
use crate::print::images;

pub(super) async fn run(layout: &Layout) -> Outcome {
    let channel = cri::connect(&layout.socket()).await?;
    let images = cri::list_images(channel).await?;
    output::print(&images::table(&images))
}
