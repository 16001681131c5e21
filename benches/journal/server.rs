//! The real program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it on a free port, without limits.
    pub(crate) fn start(options: &[String]) -> Self {
        let mut child = command("127.0.0.1:0", options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = output.find_map(|line| {
            let line = line.ok()?;
            line.split_once("http://")?
                .1
                .split_once('/')?
                .0
                .parse()
                .ok()
        });
        let address = address.expect("the program says where it listens");
        Server { child, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its threads have taken so far.
    pub(crate) fn threads(&self) -> Threads {
        let mut threads = Threads::default();
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        for task in tasks.into_iter().flatten().flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let time = schedule(&task.path()).0;
            match name.trim() {
                "journal" => threads.journal += time,
                _ => threads.rest += time,
            }
        }
        threads
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program as it is without anybody's environment.
pub(crate) fn command(listen: &str, options: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veche"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VECHE_") {
            command.env_remove(name);
        }
    }
    command
        .args(["--listen", listen, "--rate-limit", "0", "--log", "off"])
        .args(["--max-connections-per-address", "0"])
        .args(options);
    command
}

/// The processor's time that threads have taken; zero where the system is not
/// Linux.
#[derive(Default)]
pub(crate) struct Threads {
    pub(crate) journal: Duration,
    pub(crate) rest: Duration,
}

/// The processor's time that this thread has taken.
pub(crate) fn own_time() -> Duration {
    schedule(Path::new("/proc/thread-self")).0
}

/// How long a thread has had a processor, and how long it has waited for one.
pub(crate) fn schedule(task: &Path) -> (Duration, Duration) {
    let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    let mut times = text.split(' ').map_while(|number| number.parse().ok());
    let mut time = || Duration::from_nanos(times.next().unwrap_or_default());
    (time(), time())
}

/// A folder on the disk, which is gone after its use.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("journal-{}-{name}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("veche.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
