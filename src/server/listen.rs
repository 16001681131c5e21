//! The listening socket, made step by step.

use core::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use log::warn;
use socket2::{Domain, Protocol, Socket, Type};

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
pub fn listen(address: SocketAddr, mut done: impl FnMut(Step)) -> Result<TcpListener, ListenError> {
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
    Ok(socket.into())
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
