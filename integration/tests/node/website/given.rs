//! The website's own files, which are not kept here: `make examples-test EXAMPLES=DIR` runs each.
//!
//! What becomes of each is printed as a table, and a file that fails fails nothing: some show what a
//! cluster's scheduler or API server would do.

use std::path::{Path, PathBuf};

use podling_integration::harness::wait::try_for;

use super::{LOCAL, Site};

/// How long a pod may take to run or to end.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(40);

/// The YAML files below a folder, sorted.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("EXAMPLES is a folder");
    for entry in entries.map(|entry| entry.expect("it can be read").path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(entry);
        }
    }
    found.sort();
}

/// The text with every image mapped, or the first that nothing stands for.
fn localised(site: &Site, text: &str) -> Result<String, String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let word = line.split_once("image:").map(|(_, rest)| rest.trim());
        let image = word.map(|word| word.trim_matches(['"', '\'', ',']));
        match image.filter(|image| !image.is_empty() && !image.starts_with('#')) {
            None => lines.push(line.to_owned()),
            Some(image) => {
                let bare = image.split(':').next().unwrap_or_default();
                if !LOCAL.iter().any(|(name, _)| *name == bare) {
                    return Err(image.to_owned());
                }
                lines.push(line.replace(image, &site.local(image)));
            }
        }
    }
    Ok(lines.join("\n"))
}

/// What became of one file.
async fn outcome(site: &Site, file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("it can be read");
    let text = match localised(site, &text) {
        Ok(text) => text,
        Err(image) => return format!("no image stands for {image}"),
    };
    if !text.contains("Pod") || !text.contains("containers") {
        return "no pod".to_owned();
    }
    site.node.manifest("given.yaml", &text);
    let is_over = || {
        let pod = site.node.pods().into_iter().next()?;
        let is_done = pod.is_ready() || matches!(pod.phase(), "Succeeded" | "Failed");
        is_done.then(|| pod.phase().to_owned())
    };
    let seen = try_for(PATIENCE, async || is_over()).await;
    let seen = seen.unwrap_or_else(|| match site.node.pods().first() {
        Some(pod) => format!(
            "not ready: {}",
            pod.0["status"]["containerStatuses"][0]["state"]
        ),
        None => {
            let log = site.node.daemon_log();
            let broken = log.lines().rev().find(|line| line.contains("given.yaml"));
            format!("refused: {}", broken.unwrap_or_default())
        }
    });
    site.node.remove_manifest("given.yaml");
    try_for(PATIENCE, async || site.node.pods().is_empty().then_some(())).await;
    seen
}

#[tokio::test]
#[ignore = "needs the website's files: make examples-test EXAMPLES=DIR"]
async fn website_files_that_are_given_run() {
    let folder = std::env::var_os("EXAMPLES").expect("make examples-test EXAMPLES=DIR");
    let folder = PathBuf::from(folder);
    let site = Site::start(&["busybox", "nginx", "redis"]).await;
    let mut all = Vec::new();
    files(&folder, &mut all);
    println!("| example | what became of it |\n|---|---|");
    for file in all {
        let name = file.strip_prefix(&folder).unwrap_or(&file).display();
        println!("| {name} | {} |", outcome(&site, &file).await);
    }
    site.node.stop().await;
}
