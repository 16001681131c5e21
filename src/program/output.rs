//! Standard output and standard error, for which nobody waits.
//!
//! A pipe that nobody empties, or a terminal that was halted, blocks whoever
//! writes to it. Here a line is lost instead: the chat goes on.

use core::time::Duration;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Writes whole lines to a stream, or loses them.
pub(super) struct Output {
    file: File,
    poll: Poll,
    events: Events,
    /// Whether it can be waited for at all: a file cannot, and takes a line at
    /// any time.
    is_watched: bool,
    /// The last line was cut short.
    is_torn: bool,
    lost: u64,
    /// What a line says that tells how many were lost.
    pub(super) tell_lost: fn(u64) -> String,
}

impl Output {
    /// # Errors
    /// Where the system gives no descriptor.
    pub(super) fn new(stream: impl AsFd + IsTerminal) -> io::Result<Self> {
        let fd = stream.as_fd();
        // A terminal says that it is ready when it takes a single byte. Only
        // what is not shared with other programs may be told not to block.
        let own = stream.is_terminal().then(|| {
            let path = format!("/dev/fd/{}", fd.as_raw_fd());
            let mut options = OpenOptions::new();
            options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            options.write(true).open(path)
        });
        let file = match own {
            Some(Ok(file)) => file,
            _ => File::from(fd.try_clone_to_owned()?),
        };
        let poll = Poll::new()?;
        let raw = file.as_raw_fd();
        let watched = poll
            .registry()
            .register(&mut SourceFd(&raw), Token(0), Interest::WRITABLE);
        Ok(Output {
            file,
            poll,
            events: Events::with_capacity(1),
            is_watched: watched.is_ok(),
            is_torn: false,
            lost: 0,
            tell_lost: |lost| format!("WARN {}", lost_lines(lost)),
        })
    }

    /// Writes a line, or loses it.
    pub(super) fn line(&mut self, line: &[u8]) {
        let mut bytes = Vec::new();
        if self.is_torn {
            bytes.push(b'\n');
        }
        if self.lost > 0 {
            bytes.extend_from_slice((self.tell_lost)(self.lost).as_bytes());
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line);
        bytes.truncate(MAX_LINE_BYTES - 1);
        bytes.push(b'\n');
        let written = match self.is_ready() {
            Ok(true) => self.file.write(&bytes).unwrap_or(0),
            _ => 0,
        };
        if written == 0 {
            self.lost += 1;
        } else {
            self.lost = 0;
            self.is_torn = written < bytes.len();
        }
    }

    /// Whether it takes a line now. A pipe that takes anything takes
    /// `MAX_LINE_BYTES`.
    fn is_ready(&mut self) -> io::Result<bool> {
        if !self.is_watched {
            return Ok(true);
        }
        // Readiness is told once: being registered anew has it told again.
        let raw = self.file.as_raw_fd();
        let registry = self.poll.registry();
        registry.reregister(&mut SourceFd(&raw), Token(0), Interest::WRITABLE)?;
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        Ok(!self.events.is_empty())
    }
}

/// What is said of lines that were lost.
pub(super) fn lost_lines(count: u64) -> String {
    format!("{count} lines were lost: nobody took them")
}

/// What a pipe takes as a whole (`PIPE_BUF`).
pub(super) const MAX_LINE_BYTES: usize = 4096;
