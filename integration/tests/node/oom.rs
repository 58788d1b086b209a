//! What the kernel says when the machine's memory is full: a pipe stands in its place, so that no other
//! node of this machine hears of it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::{DEADLINE, Node, Options, wait_until};
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_setfl, mknodat};

use crate::covering;

/// The kernel's messages, as a story writes them: each is read as a whole.
struct Kernel {
    pipe: File,
    number: u64,
}

impl Kernel {
    fn new(at: &Path) -> Self {
        mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("there is room");
        let pipe = OpenOptions::new().read(true).write(true).open(at);
        let pipe = pipe.expect("it is the story's own");
        fcntl_setfl(&pipe, OFlags::DIRECT).expect("a pipe can have records");
        Self { pipe, number: 0 }
    }

    fn says(&mut self, lines: &[&str]) {
        for line in lines {
            self.number += 1;
            let record = format!("4,{},{},-;{line}\n", self.number, 1000 * self.number);
            self.pipe
                .write_all(record.as_bytes())
                .expect("it has a reader");
        }
    }
}

fn killed(process: &str, pid: u32) -> String {
    format!(
        "Killed process {pid} ({process}) total-vm:2105344kB, anon-rss:917504kB, file-rss:128kB, \
         shmem-rss:0kB, UID:0 pgtables:1856kB oom_score_adj:0"
    )
}

const INVOKED: &str = "web invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|\
                       __GFP_ZERO), order=0, oom_score_adj=0";

#[tokio::test]
async fn a_process_that_the_kernel_kills_for_want_of_memory_is_an_event_of_the_node() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let mut kernel = Kernel::new(&folder.path().join("kmsg"));
    let mut node = Node::start_with(Options {
        start: Start {
            wrapper: covering(&folder.path().join("kmsg"), "/dev/kmsg"),
            ..Start::default()
        },
        ..Options::default()
    })
    .await;
    kernel.says(&[
        "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
        INVOKED,
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
         oom_memcg=/kubepods/a,task_memcg=/kubepods/a,task=limited,pid=17,uid=0",
        &format!("Memory cgroup out of memory: {}", killed("limited", 17)),
        INVOKED,
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
         task_memcg=/,task=greedy,pid=4711,uid=0",
        &format!("Out of memory: {}", killed("greedy", 4711)),
    ]);
    let events = || {
        let answer = node.kubelet("/events").map(|answer| answer.text());
        answer.unwrap_or_default()
    };
    let words = "System OOM encountered, victim process: greedy, pid: 4711";
    wait_until(DEADLINE, "the victim is told", || events().contains(words)).await;
    let events = events();
    assert!(events.contains("SystemOOM"), "{events}");
    assert!(!events.contains("limited"), "{events}");

    // Nothing but what is new is of interest to the next one; and without any the node goes on.
    node.kill9();
    let nothing = Start {
        wrapper: covering(Path::new("/dev/null"), "/dev/kmsg"),
        ..Start::default()
    };
    node.restart_with(&nothing).await;
    let log = || node.daemon_log();
    let words = "cannot read the kernel's messages";
    wait_until(DEADLINE, "it is told once", || log().contains(words)).await;
    assert_eq!(log().matches(words).count(), 1, "{}", log());
    node.stop().await;
}
