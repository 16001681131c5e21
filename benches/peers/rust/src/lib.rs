//! What the servers on tokio share.

use std::io::Result;

use tokio::net::{TcpListener, TcpSocket};

/// The command line: `PORT MODE`.
pub fn arguments() -> (u16, String) {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().expect("a port").parse().expect("a port");
    (port, arguments.next().expect("a mode"))
}

/// Listens there, for as many at once as the system lets wait.
pub fn listen(port: u16) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    socket.listen(4096)
}
