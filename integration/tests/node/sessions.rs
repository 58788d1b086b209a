//! Sessions come and go by the hundred, a tenth of them cut off anywhere, and the node is as it was.

use std::env;

use podling_integration::harness::requests::{self, Running};
use podling_integration::harness::wait::{DEADLINE, try_for};
use podling_integration::harness::{Census, Cri, Node, processes};
use podling_proto::runtime::v1 as cri;
use tokio::task::JoinSet;

use crate::streaming::spdy::{Frame, Spdy};
use crate::streaming::{V4, exec, exit_code, hear_anything, node_with_pod, settled};

/// Sessions that are had; PODLING_TEST_SESSIONS changes it.
const SESSIONS: usize = 500;
/// Sessions at once.
const AT_ONCE: usize = 8;
/// One in so many is cut off.
const CUT_OFF: u64 = 10;
/// What the daemon and a monitor may grow by, in KiB, once some sessions have shown how much so many at
/// a time take, of which an allocator keeps the most.
const DAEMON_SLACK: u64 = 4 << 10;
const MONITOR_SLACK: u64 = 256;

/// How far a session goes before its client breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    Asked,
    Connected,
    HalfOpened,
    Opened,
    Sent,
    Heard,
    InTheMiddleOfAFrame,
    End,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Exec,
    Terminal,
    Attach,
    PortForward,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    kind: Kind,
    until: Until,
}

impl Session {
    /// The same for the same number, so that a run can be had again.
    fn of(number: usize) -> Self {
        let kinds = [Kind::Exec, Kind::Terminal, Kind::Attach, Kind::PortForward];
        let points = [
            Until::Asked,
            Until::Connected,
            Until::HalfOpened,
            Until::Opened,
            Until::Sent,
            Until::Heard,
            Until::InTheMiddleOfAFrame,
        ];
        let random = scrambled(number as u64);
        Self {
            kind: kinds[number % kinds.len()],
            until: match random % CUT_OFF {
                0 => points[(random / CUT_OFF) as usize % points.len()],
                _ => Until::End,
            },
        }
    }
}

/// The output function of splitmix64.
fn scrambled(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

async fn url(client: &Cri, pod: &Running, kind: Kind) -> String {
    let mut runtime = client.runtime.clone();
    let tty = matches!(kind, Kind::Terminal);
    match kind {
        Kind::Exec | Kind::Terminal => {
            let script = if tty {
                "read line; echo got-$line"
            } else {
                "cat"
            };
            let request = cri::ExecRequest {
                container_id: pod.container.clone(),
                cmd: ["sh", "-c", script].map(str::to_owned).to_vec(),
                tty,
                stdin: true,
                stdout: true,
                stderr: !tty,
            };
            let answer = runtime.exec(request).await;
            answer.expect("a URL").into_inner().url
        }
        Kind::Attach => {
            let request = cri::AttachRequest {
                container_id: pod.container.clone(),
                stdin: true,
                tty: false,
                stdout: true,
                stderr: true,
            };
            let answer = runtime.attach(request).await;
            answer.expect("a URL").into_inner().url
        }
        Kind::PortForward => {
            let request = cri::PortForwardRequest {
                pod_sandbox_id: pod.sandbox.clone(),
                port: vec![],
            };
            let answer = runtime.port_forward(request).await;
            answer.expect("a URL").into_inner().url
        }
    }
}

/// The headers of the streams, in the order of their numbers: 1, 3, 5 and so on.
fn streams(kind: Kind) -> &'static [&'static [(&'static str, &'static str)]] {
    const ERROR: &[(&str, &str)] = &[("streamtype", "error")];
    const STDIN: &[(&str, &str)] = &[("streamtype", "stdin")];
    const STDOUT: &[(&str, &str)] = &[("streamtype", "stdout")];
    const STDERR: &[(&str, &str)] = &[("streamtype", "stderr")];
    const RESIZE: &[(&str, &str)] = &[("streamtype", "resize")];
    const TO_PORT: &[&[(&str, &str)]] = &[
        &[
            ("port", "4000"),
            ("requestid", "1"),
            ("streamtype", "error"),
        ],
        &[("port", "4000"), ("requestid", "1"), ("streamtype", "data")],
    ];
    match kind {
        Kind::Exec | Kind::Attach => &[ERROR, STDIN, STDOUT, STDERR],
        Kind::Terminal => &[ERROR, STDIN, STDOUT, RESIZE],
        Kind::PortForward => TO_PORT,
    }
}

/// Goes as far as the session is to go, and leaves.
async fn have(client: &Cri, pod: &Running, session: Session) {
    let Session { kind, until } = session;
    let url = url(client, pod, kind).await;
    if until == Until::Asked {
        return;
    }
    let protocol = match kind {
        Kind::PortForward => "portforward.k8s.io",
        Kind::Exec | Kind::Terminal | Kind::Attach => V4,
    };
    let mut peer = Spdy::connect(&url, protocol).await;
    if until == Until::Connected {
        return;
    }
    for (index, headers) in streams(kind).iter().enumerate() {
        if index > 0 && until == Until::HalfOpened {
            return;
        }
        peer.open(index as u32 * 2 + 1, headers).await;
    }
    if until == Until::Opened {
        return;
    }
    peer.send(3, b"hello\n").await;
    if until == Until::Sent {
        return;
    }
    match until {
        Until::Heard => hear(&mut peer, kind).await,
        Until::InTheMiddleOfAFrame => {
            hear(&mut peer, kind).await;
            peer.raw(&[0, 0, 0, 3, 0, 0, 1, 0, b'x']).await;
        }
        _ => end(&mut peer, kind).await,
    }
}

async fn hear(peer: &mut Spdy, kind: Kind) {
    match kind {
        Kind::PortForward => peer.expect(3, b"hello\n").await,
        Kind::Exec | Kind::Terminal | Kind::Attach => hear_anything(peer).await,
    }
}

/// What a client does that goes to the end.
async fn end(peer: &mut Spdy, kind: Kind) {
    match kind {
        Kind::Exec => {
            peer.finish(3).await;
            let said = peer.rest().await;
            assert_eq!(
                (said[&5].as_str(), &*exit_code(&said[&1])),
                ("hello\n", "0")
            );
        }
        Kind::Terminal => {
            let said = peer.rest().await;
            assert!(said[&5].contains("got-hello"), "{said:?}");
            assert_eq!(exit_code(&said[&1]), "0");
        }
        // Others are attached too, and everybody hears everything.
        Kind::Attach => {
            hear_anything(peer).await;
            peer.finish(3).await;
        }
        Kind::PortForward => {
            peer.expect(3, b"hello\n").await;
            peer.finish(3).await;
            while !matches!(
                peer.next_said().await.expect("the session goes on"),
                Frame::Data {
                    id: 3,
                    is_last: true,
                    ..
                }
            ) {}
        }
    }
}

async fn have_all(client: &Cri, pod: &Running, numbers: std::ops::Range<usize>) {
    let mut running = JoinSet::new();
    for number in numbers {
        if running.len() == AT_ONCE {
            let had = running.join_next().await.expect("some run");
            had.expect("a session goes as it should");
        }
        let (client, pod) = (client.clone(), pod.clone());
        running.spawn(async move { have(&client, &pod, Session::of(number)).await });
    }
    running.join_all().await;
}

/// What sessions may leave behind, beside what a census counts.
#[derive(Debug)]
struct Weight {
    census: Census,
    threads: usize,
    monitor_descriptors: usize,
    daemon: u64,
    monitor: u64,
}

impl Weight {
    async fn of(node: &Node) -> Self {
        let census = settled(node).await;
        let monitors = processes::monitors(node.root(), &node.range().cgroup());
        let [monitor] = monitors[..] else {
            panic!("one pod has one monitor: {monitors:?}");
        };
        Self {
            census,
            threads: processes::threads(node.daemon_pid()),
            monitor_descriptors: processes::descriptors(monitor),
            daemon: processes::resident(node.daemon_pid()),
            monitor: processes::resident(monitor),
        }
    }

    fn is_within(&self, before: &Self) -> bool {
        self.census.is_within(&before.census)
            && self.threads <= before.threads
            && self.monitor_descriptors <= before.monitor_descriptors
            && self.daemon <= before.daemon + DAEMON_SLACK
            && self.monitor <= before.monitor + MONITOR_SLACK
    }
}

#[tokio::test]
async fn sessions_come_and_go_and_a_tenth_breaks_off_anywhere_and_everything_is_where_it_was() {
    let count = env::var("PODLING_TEST_SESSIONS").ok();
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(SESSIONS);
    let (node, client, pod) = node_with_pod().await;
    let listen = "echo on; exec nc -ll -p 4000 -e cat";
    let mut listener = exec(&client, &pod, listen, false).await;
    listener.expect(5, b"on\n").await;
    let is_open = try_for(DEADLINE, async || {
        let look = ["sh", "-c", "netstat -ltn | grep -q :4000"].map(str::to_owned);
        let request = cri::ExecSyncRequest {
            container_id: pod.container.clone(),
            cmd: look.to_vec(),
            timeout: 10,
        };
        let answer = client.runtime.clone().exec_sync(request).await;
        (answer.expect("an answer").into_inner().exit_code == 0).then_some(())
    });
    is_open.await.expect("the port is open");

    // As many as will show what sessions take while they are had.
    let first = (count / 10).max(100);
    have_all(&client, &pod, 0..first).await;
    let before = Weight::of(&node).await;
    have_all(&client, &pod, first..first + count).await;
    let is_back = try_for(DEADLINE, async || {
        // Less is possible: what a client left takes a moment to be closed.
        let after = Weight::of(&node).await;
        after.is_within(&before).then_some(after)
    });
    let Some(after) = is_back.await else {
        panic!("before {before:?}, after {:?}", Weight::of(&node).await);
    };
    println!("{count} sessions: before {before:?}, after {after:?}");
    requests::remove_pod(&client, &pod.sandbox)
        .await
        .expect("a removal");
    node.stop().await;
}
