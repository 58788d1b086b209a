//! Builds the images of this repository and pushes them to a registry.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use clap::{Parser, Subcommand};
use podling_integration::images::debian::{self, Cache, DebianError};
use podling_integration::images::docker_archive::docker_archive;
use podling_integration::images::infra::infra_image;
use podling_integration::images::layout::ReadError;
use podling_integration::images::push::{PushError, push};
use podling_integration::images::testbox::testbox_image;
use podling_integration::images::{BuiltImage, Image, Layout, local_name};
use thiserror::Error;

#[derive(Parser)]
#[command(about = "Builds podling's images and pushes them to a registry.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// When everything was made, in Unix seconds.
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value_t = 0, global = true)]
    time: u64,
}

#[derive(Subcommand)]
enum Command {
    /// Write the infra image: pause.oci.tar and pause.docker.tar.
    Infra {
        /// The pause program.
        #[arg(long)]
        pause: PathBuf,
        /// Where the archives go.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write the test images: busybox, nginx, redis and testbox, as OCI layouts.
    Test {
        /// Where the archives go.
        #[arg(long)]
        out: PathBuf,
        /// Where Debian packages are kept [default: target/images/cache of the
        /// repository].
        #[arg(long)]
        cache: Option<PathBuf>,
        /// The testbox program [default: podling-testbox beside this program].
        #[arg(long)]
        testbox: Option<PathBuf>,
    },
    /// Push the images of an OCI layout to a registry over plain HTTP.
    Push {
        /// The registry, as HOST:PORT.
        #[arg(long)]
        registry: String,
        /// The archive.
        archive: PathBuf,
        /// What the image is called there, as NAME[:TAG].
        name: String,
    },
}

/// A command could not be carried out.
#[derive(Debug, Error)]
enum CommandError {
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("find this program's own directory")]
    Place(#[source] io::Error),
    #[error("take an image out of Debian packages")]
    Debian(#[from] DebianError),
    #[error("read the OCI layout")]
    Layout(#[from] ReadError),
    #[error("push an image")]
    Push(#[from] PushError),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podling-images: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Infra { pause, out } => write_infra(&read(&pause)?, &out, arguments.time)?,
        Command::Test {
            out,
            cache,
            testbox,
        } => {
            let cache = cache.as_deref().map_or_else(Cache::shared, Cache::open)?;
            let testbox = testbox.map_or_else(testbox_beside, Ok)?;
            write_test(&cache, &read(&testbox)?, &out, arguments.time)?;
        }
        Command::Push {
            registry,
            archive,
            name,
        } => {
            for content in Layout::read_tar(&archive)?.contents()? {
                println!(
                    "{registry}/{name} {}",
                    push(&registry, &name, &content).await?
                );
            }
        }
    }
    Ok(())
}

fn write_infra(pause: &[u8], out: &Path, time: u64) -> Result<(), CommandError> {
    let image = infra_image(pause, time).build();
    write_layout("pause", &image, out, time)?;
    let archive = docker_archive(&local_name("pause"), &image, time);
    // docker and podman know an image by the digest of its configuration.
    write(
        &out.join("pause.docker.tar"),
        &archive,
        &image.config.digest(),
    )
}

fn write_test(cache: &Cache, testbox: &[u8], out: &Path, time: u64) -> Result<(), CommandError> {
    let images: [(&str, Image); 4] = [
        ("busybox", debian::busybox(cache)?),
        ("nginx", debian::nginx(cache)?),
        ("redis", debian::redis(cache)?),
        ("testbox", testbox_image(testbox)),
    ];
    for (name, image) in images {
        write_layout(name, &image.time(time).build(), out, time)?;
    }
    Ok(())
}

fn write_layout(name: &str, image: &BuiltImage, out: &Path, time: u64) -> Result<(), CommandError> {
    let archive = Layout::of(&local_name(name), &image.content()).tar(time);
    write(
        &out.join(format!("{name}.oci.tar")),
        &archive,
        &image.digest(),
    )
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    fs::read(path).map_err(|source| CommandError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Writes an archive, with its directory, and prints its digest.
fn write(path: &Path, archive: &[u8], digest: &str) -> Result<(), CommandError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, archive))
        .map_err(|source| CommandError::Write {
            path: path.to_owned(),
            source,
        })?;
    println!("{} {digest}", path.display());
    Ok(())
}

fn testbox_beside() -> Result<PathBuf, CommandError> {
    let program = env::current_exe().map_err(CommandError::Place)?;
    Ok(program.with_file_name("podling-testbox"))
}

/// An error and what caused it, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
