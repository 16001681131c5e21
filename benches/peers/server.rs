//! The servers: what they are called, how they are built and started, and what
//! they take.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::DEADLINE;

/// A server and how to start it.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// With `{port}` and `{mode}`: `echo` or `broadcast`.
    pub(crate) command: String,
}

impl Peer {
    pub(crate) fn new(name: &str, command: String) -> Self {
        let name = name.to_owned();
        Peer { name, command }
    }

    /// Starts it on a free port, on the first processor.
    pub(crate) fn start(&self, mode: &str) -> Server {
        // None of those that the system gives to clients: until the server listens,
        // one of them could meet itself there.
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = (20_000..30_000).find(is_free).expect("a free port");
        let command = self.command.replace("{port}", &port.to_string());
        let command = command.replace("{mode}", mode);
        let begun = Instant::now();
        let child = Command::new("taskset")
            .args(["-c", "0"])
            .args(command.split_whitespace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("taskset, of util-linux");
        let mut server = Server {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            started_in: Duration::ZERO,
        };
        while TcpStream::connect(server.address).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command} has ended: {ended:?}");
            assert!(begun.elapsed() < DEADLINE, "{command} does not listen");
        }
        server.started_in = begun.elapsed();
        server
    }

    /// How large its program is, where it is one file.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let program = self
            .command
            .split(' ')
            .next()
            .filter(|&word| word != "node");
        let mode = |program: &str| program.replace("{mode}", "echo");
        Some(fs::metadata(mode(program?)).ok()?.len())
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Until somebody could connect.
    pub(crate) started_in: Duration,
}

impl Server {
    /// The processor's time that its threads have taken so far.
    pub(crate) fn time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let tasks = tasks.expect("a running server, on Linux").flatten();
        let nanos = tasks.map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
            nanos.unwrap_or(0)
        });
        Duration::from_nanos(nanos.sum())
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap() << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // With whatever it has started.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// Ours and the peers that are fetched, built where they are wanted, and how
/// each is started.
pub(crate) fn build(is_wanted: impl Fn(&str) -> bool) -> Vec<Peer> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("benches/peers");
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let ours = target()
        .join("peers/release/examples")
        .display()
        .to_string();
    let rust = target().join("peers/release").display().to_string();
    let node = folder.join("node/ws.mjs").display().to_string();
    let mut peers = vec![
        Peer::new(OURS, format!("{ours}/{{mode}} 127.0.0.1:{{port}}")),
        Peer::new(WS, format!("node {node} {{port}} {{mode}}")),
    ];
    peers.extend(RUST.map(|name| Peer::new(name, format!("{rust}/{name} {{port}} {{mode}}"))));
    peers.retain(|peer| is_wanted(&peer.name));
    let is_there = |name: &str| peers.iter().any(|peer| peer.name == name);
    // As a program that uses the library is built.
    if is_there(OURS) {
        run(Command::new(&cargo)
            .args(["build", "--release", "--example", "echo"])
            .args(["--example", "broadcast"])
            .args(["--config", "profile.release.opt-level=3", "--target-dir"])
            .arg(target().join("peers"))
            .current_dir(root));
    }
    if RUST.iter().any(|name| is_there(name)) {
        run(Command::new(&cargo)
            .args(["build", "--release", "--locked", "--manifest-path"])
            .arg(folder.join("rust/Cargo.toml"))
            .arg("--target-dir")
            .arg(target().join("peers")));
    }
    if is_there(WS) {
        run(Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--silent"])
            .current_dir(folder.join("node")));
    }
    peers
}

/// The chat itself, without limits and without a file.
pub(crate) fn chat() -> Peer {
    let program = env!("CARGO_BIN_EXE_veche");
    let limits = "--rate-limit 0 --max-connections-per-address 0 --max-rooms 0";
    let command = format!("{program} --listen 127.0.0.1:{{port}} --db none --log off {limits}");
    Peer::new(CHAT, command)
}

/// The folder that Cargo builds into.
fn target() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("a folder in it").to_owned()
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{command:?} failed"
    );
}

/// Those written in Rust.
const RUST: [&str; 3] = ["floor", "tokio-tungstenite", "fastwebsockets"];
const WS: &str = "ws";

/// What is compared with the others.
pub(crate) const OURS: &str = "veche";
pub(crate) const CHAT: &str = "chat";
