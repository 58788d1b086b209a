//! A plugin of the Node Resource Interface that a runtime starts itself: it writes down what it hears.
//!
//! The one argument is the file that it writes: a line a call, with the configuration it is given.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use podling_integration::harness::nri::{Answer, Plugin};
use podling_proto::nri::ConfigureRequest;
use tokio::net::UnixStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let file = env::args_os()
        .nth(1)
        .expect("usage: podling-nri-plugin FILE");
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    let told = |name: &str| env::var(name).unwrap_or_default();
    assert_eq!(
        told("NRI_PLUGIN_SOCKET"),
        "0",
        "the socket is not where it should be"
    );
    let name = format!("{}-{}", told("NRI_PLUGIN_IDX"), told("NRI_PLUGIN_NAME"));
    let socket = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let told_as = name.clone();
    let plugin = Plugin::over(UnixStream::from_std(socket)?, &name, move |asked| {
        let line = match asked.method.as_str() {
            "Configure" => format!(
                "{told_as} Configure {}",
                asked.request::<ConfigureRequest>().config
            ),
            method => format!("{told_as} {method}"),
        };
        writeln!(file, "{line}").expect("there is room");
        Answer::Fine
    });
    plugin.await.run().await;
    Ok(())
}
