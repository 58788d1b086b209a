//! The image of `podling-testbox`: one static program that behaves as a test asks.

use super::debian::base;
use super::entry::Entry;
use super::image::Image;
use super::layer::Layer;
use super::settings::Settings;

/// The image of the `podling-testbox` program, whose bytes are given.
pub fn testbox_image(testbox: &[u8]) -> Image {
    let settings = Settings::default()
        .entrypoint(["/testbox"])
        .cmd(["sleep"])
        .env("PATH", "/")
        .working_dir("/");
    Image::new(
        settings,
        [
            base::layer(),
            Layer::of([Entry::program("testbox", testbox)]),
        ],
    )
}
