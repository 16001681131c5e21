//! The addresses to listen at.

use core::fmt;
use core::str::FromStr;
use std::io;
use std::net::{Ipv6Addr, ToSocketAddrs};
use std::path::PathBuf;

use crate::server::{ListenError, Listener, Step, listen, listen_unix};

/// One of what `--listen` takes: a host and a port, or a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address of the internet. Host or port may be left out. A port alone is
    /// one of the loopback: what everybody may reach is asked for by name.
    Tcp {
        /// A name, an IPv4 address, or an IPv6 address without brackets.
        host: String,
        /// 0 lets the system choose one.
        port: u16,
    },
    /// `unix:` and the path of the socket.
    Unix(PathBuf),
}

impl Default for Listen {
    fn default() -> Self {
        Listen::Tcp {
            host: DEFAULT_HOST.to_owned(),
            port: DEFAULT_PORT,
        }
    }
}

impl FromStr for Listen {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(path) = text.strip_prefix(UNIX) {
            let is_path = !path.is_empty() && !path.contains(char::is_control);
            let path = Some(path).filter(|_| is_path);
            return path.map(|path| Listen::Unix(path.into())).ok_or(());
        }
        let (host, port) = if text.parse::<u16>().is_ok() {
            ("", Some(text))
        } else if text.parse::<Ipv6Addr>().is_ok() || text.ends_with(']') {
            (text, None)
        } else if let Some((host, port)) = text.rsplit_once(':') {
            (host, Some(port))
        } else {
            (text, None)
        };
        let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(drop))?;
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let is_host = match bracketed {
            // A zone may follow the address, such as in fe80::1%eth0.
            Some(ip) => ip.contains(':'),
            None => host.parse::<Ipv6Addr>().is_ok() || is_name(host),
        };
        if !is_host || text.is_empty() {
            return Err(());
        }
        let host = if host.is_empty() { DEFAULT_HOST } else { host };
        Ok(Listen::Tcp {
            host: host.to_owned(),
            port,
        })
    }
}

/// Whether this looks like a name or an IPv4 address; what it really is, the
/// system knows.
fn is_name(host: &str) -> bool {
    let is_of_names = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.starts_with('-') && host.chars().all(is_of_names)
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Listen::Tcp { host, port } => write!(f, "{host}:{port}"),
            Listen::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl Listen {
    /// Listens there; `done` is called once after each step. Of several
    /// addresses that a name has, the first that this machine has.
    ///
    /// # Errors
    /// What could not be done, and what to do about it.
    pub fn bind(
        &self,
        option: &'static str,
        mut done: impl FnMut(Step),
    ) -> Result<Listener, BindError> {
        let failed = |why| BindError {
            option,
            listen: self.clone(),
            why,
        };
        let (host, port) = match self {
            Listen::Tcp { host, port } => (host.as_str(), *port),
            Listen::Unix(path) => {
                return listen_unix(path, done).map_err(|error| failed(Why::Listen(error)));
            }
        };
        let addresses = (host, port).to_socket_addrs();
        let mut why = Why::NoAddress;
        // A second address begins anew, which is nobody's business.
        let mut told = Vec::new();
        for address in addresses.map_err(|error| failed(Why::Name(error)))? {
            let result = listen(address, |step| {
                if !told.contains(&step) {
                    told.push(step);
                    done(step);
                }
            });
            match result {
                Ok(listener) => return Ok(listener),
                Err(error) => why = Why::Listen(error),
            }
            if !why.is_foreign() {
                break;
            }
        }
        Err(failed(why))
    }
}

/// An address that is not to be had.
#[derive(Debug)]
pub struct BindError {
    option: &'static str,
    listen: Listen,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Name(io::Error),
    NoAddress,
    Listen(ListenError),
}

impl Why {
    /// Whether the address is none of this machine's.
    fn is_foreign(&self) -> bool {
        matches!(self, Why::Listen(error) if matches!(
            error.source.kind(),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
        ))
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = self.option;
        write!(f, "{option} {}: ", self.listen)?;
        match (&self.listen, &self.why) {
            (Listen::Tcp { port, .. }, why) => why.of_address(option, *port, f),
            (Listen::Unix(_), why) => why.of_file(f),
        }
    }
}

impl Why {
    fn of_address(&self, option: &str, port: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Name(error) => write!(
                f,
                "the name has no address ({error}); take an address of this machine, such as 127.0.0.1:{port}"
            ),
            Why::NoAddress => write!(
                f,
                "the name has no address; take an address of this machine, such as 127.0.0.1:{port}"
            ),
            why if why.is_foreign() => write!(
                f,
                "this machine does not have the address; take one of its own, or 0.0.0.0:{port} for all of them"
            ),
            Why::Listen(error) => match error.source.kind() {
                io::ErrorKind::AddrInUse => write!(
                    f,
                    "the port is taken; stop the other program or choose another port with {option}"
                ),
                io::ErrorKind::PermissionDenied => write!(
                    f,
                    "no permission for the port; choose one above 1023 with {option}"
                ),
                _ => write!(f, "{error}; choose another address with {option}"),
            },
        }
    }

    fn of_file(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Why::Listen(error) = self else {
            return Ok(());
        };
        match error.source.kind() {
            io::ErrorKind::AddrInUse => f.write_str(
                "the file is there already; stop the program that listens there, or choose another path",
            ),
            io::ErrorKind::NotFound => {
                f.write_str("its folder is not there; make it, or choose another path")
            }
            io::ErrorKind::PermissionDenied => {
                f.write_str("no permission for its folder; choose another path")
            }
            _ => write!(f, "{error}; choose another path"),
        }
    }
}

impl core::error::Error for BindError {}

const DEFAULT_HOST: &str = "127.0.0.1";

const DEFAULT_PORT: u16 = 7777;

/// What a path of a Unix socket begins with.
const UNIX: &str = "unix:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_may_each_be_left_out() {
        for (typed, meant) in [
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("chat.example:80", "chat.example:80"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]:7777"),
            ("::1", "[::1]:7777"),
            ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80"),
            ("localhost", "localhost:7777"),
            ("7000", "127.0.0.1:7000"),
            (":7000", "127.0.0.1:7000"),
            ("0", "127.0.0.1:0"),
            ("unix:/run/veche.sock", "unix:/run/veche.sock"),
        ] {
            let listen: Listen = typed.parse().expect(typed);
            assert_eq!(listen.to_string(), meant, "{typed}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for typed in [
            "",
            "65536:x",
            "localhost:65536",
            "http://localhost:7777/",
            "localhost:",
            "local host:80",
            "::1:80:x",
            "[localhost]:80",
            "[::1",
            "--www",
            "unix:",
            "unix:a\0b",
        ] {
            assert_eq!(typed.parse::<Listen>(), Err(()), "{typed}");
        }
    }

    #[test]
    fn a_taken_port_is_told_with_the_remedy() {
        let free: Listen = "0".parse().expect("an address");
        let listener = free.bind("--listen", |_| {}).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let taken: Listen = port.to_string().parse().expect("an address");
        let error = taken
            .bind("--listen", |_| {})
            .expect_err("the port is taken");
        assert_eq!(
            error.to_string(),
            format!(
                "--listen 127.0.0.1:{port}: the port is taken; \
                 stop the other program or choose another port with --listen"
            )
        );
    }
}
