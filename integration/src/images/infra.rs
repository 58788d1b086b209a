//! The infra image: `pause` and nothing else, for stacks that want an image for it.

use super::entry::Entry;
use super::image::Image;
use super::layer::Layer;
use super::settings::Settings;

/// Nobody in particular: no account of a host has this number.
const USER: &str = "65535:65535";

/// The image of the `pause` program, whose bytes are given; `time` in Unix seconds.
pub fn infra_image(pause: &[u8], time: u64) -> Image {
    let settings = Settings::default()
        .entrypoint(["/pause"])
        .user(USER)
        .working_dir("/");
    Image::new(settings, [Layer::of([Entry::program("pause", pause)])]).time(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::docker_archive::docker_archive;
    use crate::images::{Layout, local_name};

    fn archives() -> (Vec<u8>, Vec<u8>) {
        let image = infra_image(b"program", 0).build();
        let name = local_name("pause");
        (
            Layout::of(&name, &image.content()).tar(0),
            docker_archive(&name, &image, 0),
        )
    }

    #[test]
    fn two_builds_give_the_same_bytes() {
        assert_eq!(archives(), archives());
    }

    #[test]
    fn it_starts_pause_as_nobody() {
        let image = infra_image(b"program", 0);
        assert_eq!(image.settings.entrypoint, ["/pause"]);
        assert_eq!(image.settings.user, "65535:65535");
    }
}
