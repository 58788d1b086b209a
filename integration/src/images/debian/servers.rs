//! The images: busybox, nginx and redis as Debian ships them.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::cache::{self, Cache};
use super::{DebianError, base, closure};
use crate::images::entry::{Entry, Kind};
use crate::images::image::Image;
use crate::images::layer::Layer;
use crate::images::settings::Settings;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs as any user: everything that nginx writes is below /tmp.
const NGINX_CONF: &str = "\
worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr notice;
events {}
http {
    types {
        text/html html;
        text/plain txt;
        application/json json;
    }
    default_type application/octet-stream;
    access_log /dev/stdout;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 80;
        root /usr/share/nginx/html;
    }
}
";

const NGINX_PAGE: &str = "<!doctype html>\n<title>nginx</title>\n<p>nginx on podling\n";

/// busybox with a link for each of its commands; starts a shell.
pub fn busybox(cache: &Cache) -> Result<Image, DebianError> {
    const PROGRAM: &str = "usr/bin/busybox";
    let entries = closure::collect(cache, &["busybox-static"], &[PROGRAM])?;
    let commands = commands(&entries)?;
    let links = commands
        .iter()
        .filter(|name| *name != "busybox")
        .map(|name| Entry::symlink(format!("usr/bin/{name}"), "busybox"));
    let layer = layer(entries.iter().cloned().chain(links));
    Ok(Image::new(settings().cmd(["sh"]), [base::layer(), layer]))
}

/// nginx on port 80, serving /usr/share/nginx/html and logging to its output.
pub fn nginx(cache: &Cache) -> Result<Image, DebianError> {
    let entries = closure::collect(cache, &["nginx"], &["usr/sbin/nginx"])?;
    let settings = settings()
        .entrypoint(["/usr/sbin/nginx"])
        .cmd(["-g", "daemon off; user root;"])
        .port("80/tcp")
        .stop_signal("SIGQUIT");
    let own = [
        // Where nginx looks before it has read its configuration.
        Entry::directory("var/log/nginx"),
        Entry::file("etc/nginx/nginx.conf", NGINX_CONF),
        Entry::file("usr/share/nginx/html/index.html", NGINX_PAGE),
    ];
    Ok(Image::new(
        settings,
        [base::layer(), layer(entries), layer(own)],
    ))
}

/// redis on port 6379, keeping its data in memory.
pub fn redis(cache: &Cache) -> Result<Image, DebianError> {
    let programs = ["usr/bin/redis-server", "usr/bin/redis-cli"];
    let entries = closure::collect(cache, &["redis-server", "redis-tools"], &programs)?;
    let settings = settings()
        .entrypoint(["/usr/bin/redis-server"])
        .cmd(["--protected-mode", "no", "--save", ""])
        .port("6379/tcp")
        .volume("/data")
        .user("data")
        .working_dir("/data");
    let own = [Entry::directory("data").owner(999, 999)];
    Ok(Image::new(
        settings,
        [base::layer(), layer(entries), layer(own)],
    ))
}

fn layer(entries: impl IntoIterator<Item = Entry>) -> Layer {
    Layer::of(entries).with_parents()
}

fn settings() -> Settings {
    Settings::default().env("PATH", PATH).working_dir("/")
}

/// The commands that a busybox has, asked of itself.
fn commands(entries: &[Entry]) -> Result<Vec<String>, DebianError> {
    let program = entries.iter().find_map(|entry| match &entry.kind {
        Kind::File(contents) => Some(contents),
        _ => None,
    });
    let program = program.ok_or_else(|| DebianError::NoFile("usr/bin/busybox".to_owned()))?;
    let run = |source| DebianError::Run {
        program: "busybox",
        source,
    };
    let mut file = tempfile::NamedTempFile::new().map_err(run)?;
    file.write_all(program).map_err(run)?;
    file.as_file()
        .set_permissions(PermissionsExt::from_mode(0o700))
        .map_err(run)?;
    // A file that is open for writing cannot be run.
    let path = file.into_temp_path();
    let names = cache::output("busybox", Command::new(&path).arg0("busybox").arg("--list"))?;
    Ok(String::from_utf8_lossy(&names)
        .lines()
        .map(str::to_owned)
        .collect())
}
