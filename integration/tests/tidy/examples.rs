//! The examples run on the images of this version.

use crate::source;

#[test]
fn the_examples_name_images_of_this_version() {
    let stale = |line: &str| {
        let image = line
            .trim_start()
            .trim_start_matches("- ")
            .strip_prefix("image: ");
        image.is_some_and(|image| {
            image.starts_with("localhost/podling/")
                && !image.ends_with(concat!(":", env!("CARGO_PKG_VERSION")))
        })
    };
    let manifests = source::files(&["yaml"]);
    let examples = manifests
        .iter()
        .filter(|file| file.path.starts_with("examples/"));
    let complaints: Vec<String> = examples
        .flat_map(|file| {
            let lines = file.lines().into_iter().filter(|(_, line)| stale(line));
            lines
                .map(|line| file.complain(line, "not of this version"))
                .collect::<Vec<_>>()
        })
        .collect();
    crate::assert_none(&complaints);
}
