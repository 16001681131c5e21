//! How far the program is, for a service manager that asked to be told
//! (`sd_notify(3)`).

use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// It waits for connections.
pub(super) const READY: &str = "READY=1";

/// It stops.
pub(super) const STOPPING: &str = "STOPPING=1";

/// Tells it to the socket that `NOTIFY_SOCKET` names: a path, or on Linux `@`
/// and a name that no file has.
///
/// # Errors
/// Where nobody listens there, or takes nothing now: nobody waits for that.
pub(super) fn notify(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}
