//! One static program that behaves as a test asks: prints, exits, waits, allocates, forks, serves.
//!
//! It handles SIGTERM itself, because as PID 1 it would otherwise never see it.

use std::io::{self, Read, Write};
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, hint};

use clap::{Parser, Subcommand};
use podling_integration::health;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time;

#[derive(Parser)]
#[command(about = "Behaves as a test asks.")]
struct Arguments {
    #[command(subcommand)]
    behaviour: Behaviour,
    /// Go on after SIGTERM.
    #[arg(long, global = true)]
    ignore_term: bool,
}

#[derive(Clone, Subcommand)]
enum Behaviour {
    /// Print numbered lines on standard output.
    Lines {
        /// Milliseconds between two lines.
        #[arg(long, default_value_t = 1000)]
        every: u64,
        /// How many; without it, until the end.
        #[arg(long)]
        count: Option<u64>,
    },
    /// End with an exit code.
    Exit {
        /// The exit code.
        code: u8,
        /// Milliseconds until then.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Do nothing.
    Sleep,
    /// Allocate and use memory, say so, then do nothing.
    Memory {
        /// How much.
        mebibytes: usize,
    },
    /// Leave children behind that wait for the end of standard input.
    Orphans {
        /// How many.
        count: u32,
    },
    /// Answer questions for gRPC's health service: well, and from some time on not.
    Health {
        /// The port.
        port: u16,
        /// Milliseconds until then; without it, never.
        #[arg(long)]
        well_for: Option<u64>,
    },
    /// Wait for the end of standard input.
    Wait,
    /// Answer HTTP requests with the host's name and the path asked for.
    Serve {
        /// The port.
        port: u16,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let behaviour = behave(arguments.behaviour);
    tokio::pin!(behaviour);
    loop {
        tokio::select! {
            code = &mut behaviour => return code,
            _ = terminate.recv() => {
                say("got SIGTERM")?;
                if !arguments.ignore_term {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }
}

async fn behave(behaviour: Behaviour) -> io::Result<ExitCode> {
    match behaviour {
        Behaviour::Lines { every, count } => lines(Duration::from_millis(every), count).await?,
        Behaviour::Exit { code, after } => {
            time::sleep(Duration::from_millis(after)).await;
            return Ok(ExitCode::from(code));
        }
        Behaviour::Sleep => std::future::pending().await,
        Behaviour::Memory { mebibytes } => {
            let memory = hint::black_box(vec![1_u8; mebibytes << 20]);
            say(&format!("holding {} MiB", memory.len() >> 20))?;
            std::future::pending().await
        }
        Behaviour::Health { port, well_for } => {
            health::serve(port, well_for.map(Duration::from_millis)).await?;
        }
        Behaviour::Orphans { count } => leave_orphans(count)?,
        Behaviour::Wait => drop(io::stdin().read_to_end(&mut Vec::new())?),
        Behaviour::Serve { port } => serve(port).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn lines(every: Duration, count: Option<u64>) -> io::Result<()> {
    let mut ticks = time::interval(every.max(Duration::from_millis(1)));
    for number in 1..=count.unwrap_or(u64::MAX) {
        ticks.tick().await;
        say(&number.to_string())?;
    }
    Ok(())
}

/// The children are nobody's to wait for once this process has ended.
fn leave_orphans(count: u32) -> io::Result<()> {
    let program = env::current_exe()?;
    for _ in 0..count {
        Command::new(&program).arg("wait").spawn()?;
    }
    say(&format!("left {count} orphans"))
}

async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("::", port)).await?;
    say(&format!("serving on port {port}"))?;
    let mut answers = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        while answers.try_join_next().is_some() {}
        answers.spawn(async move {
            if let Err(error) = answer(stream).await {
                eprintln!("answer a request: {error}");
            }
        });
    }
}

/// Reads one request's head and answers it; the connection ends there.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or("/");
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let body = format!("{host} {path}\n");
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await
}

/// One line in one write, so that lines of several processes never mix.
fn say(line: &str) -> io::Result<()> {
    io::stdout().write_all(format!("{line}\n").as_bytes())
}
