//! Listening sockets, made step by step.

use core::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use log::warn;
use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// A listening socket that does not block.
#[derive(Debug)]
pub struct Listener(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "goes with the socket")] SocketFile,
    ),
}

impl Listener {
    /// The address it listens at, with the port that the system chose for 0;
    /// `None` where it is no address of the internet.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix(..) => None,
        }
    }
}

/// Of a socket that does not block.
impl From<StdTcpListener> for Listener {
    fn from(listener: StdTcpListener) -> Self {
        Listener(Kind::Tcp(TcpListener::from_std(listener)))
    }
}

/// The file by which a Unix socket is found; it goes with the socket.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(SocketFile {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // By now it may be another server's.
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // Whoever finds it later sees that nobody listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// A step on the way to a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The socket exists.
    Create,
    /// It has its address.
    Bind,
    /// Its options are set.
    Options,
    /// It takes connections.
    Listen,
}

/// The step that failed, and why.
#[derive(Debug)]
pub struct ListenError {
    /// What could not be done.
    pub step: Step,
    /// The system's answer.
    pub source: io::Error,
}

/// Makes a listening socket; `done` is called after each step.
///
/// Accepted sockets inherit its options: `TCP_NODELAY`, since frames are
/// written whole, and where the system has it `TCP_NOTSENT_LOWAT` of 64 KiB,
/// without which a reader that stalls pins megabytes of kernel memory.
///
/// # Errors
/// The step that failed.
pub fn listen(address: SocketAddr, mut done: impl FnMut(Step)) -> Result<Listener, ListenError> {
    let at = |step| move |source| ListenError { step, source };
    let domain = Domain::for_address(address);
    let socket =
        Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).map_err(at(Step::Create))?;
    done(Step::Create);
    // Before it is bound, or it would be of no use: lets a server that is
    // started again have the address of connections that are still closing.
    let reused = socket.set_reuse_address(true);
    reused
        .and_then(|()| socket.bind(&address.into()))
        .map_err(at(Step::Bind))?;
    done(Step::Bind);
    set_options(&socket).map_err(at(Step::Options))?;
    done(Step::Options);
    socket.listen(BACKLOG).map_err(at(Step::Listen))?;
    done(Step::Listen);
    Ok(Listener::from(StdTcpListener::from(socket)))
}

/// Makes a listening Unix socket at this path; `done` is called after each step.
///
/// A socket that somebody left there and nobody listens at is replaced. Everybody
/// on this machine may connect, as to an address of the loopback; the permissions
/// of the folder can say otherwise. Who connects counts as 127.0.0.1.
///
/// # Errors
/// The step that failed.
pub fn listen_unix(path: &Path, mut done: impl FnMut(Step)) -> Result<Listener, ListenError> {
    let at = |step| move |source| ListenError { step, source };
    let address = SockAddr::unix(path).map_err(at(Step::Create))?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(at(Step::Create))?;
    done(Step::Create);
    socket.set_nonblocking(true).map_err(at(Step::Options))?;
    if is_left_behind(path, &address) {
        fs::remove_file(path).map_err(at(Step::Bind))?;
    }
    socket.bind(&address).map_err(at(Step::Bind))?;
    // At once: until then it looks like one that was left behind.
    let listens = socket.listen(BACKLOG);
    done(Step::Bind);
    let everybody = fs::Permissions::from_mode(0o666);
    let file = SocketFile::at(path)
        .and_then(|file| fs::set_permissions(path, everybody).map(|()| file))
        .map_err(at(Step::Options))?;
    done(Step::Options);
    listens.map_err(at(Step::Listen))?;
    done(Step::Listen);
    let listener = UnixListener::from(OwnedFd::from(socket));
    Ok(Listener(Kind::Unix(listener, file)))
}

/// Whether there is a socket at which nobody listens: that of a server that was
/// killed.
fn is_left_behind(path: &Path, address: &SockAddr) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // A server that does not come to its door is one, too.
        socket.set_nonblocking(true)?;
        socket.connect(address)
    };
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && connect().is_err_and(is_refused)
}

fn set_options(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    if let Err(error) = socket.set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES) {
        warn!("TCP_NOTSENT_LOWAT is not to be had ({error}): slow readers take more memory");
    }
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Create => "create a socket",
            Step::Bind => "bind the address",
            Step::Options => "set the socket's options",
            Step::Listen => "listen",
        })
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.step, self.source)
    }
}

impl core::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> Self {
        io::Error::new(error.source.kind(), error)
    }
}

/// Everybody coming back at once after a restart has to fit; the system cuts
/// it to its own bound.
const BACKLOG: i32 = 4096;

#[cfg(any(target_os = "linux", target_os = "macos"))]
const NOTSENT_LOWAT_BYTES: u32 = 64 * 1024;
