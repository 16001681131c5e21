//! Where messages are kept.

use super::Error;
use super::options::Options;
#[cfg(feature = "sqlite")]
use crate::chat::Journal;
use crate::journal::memory::MemoryJournal;
#[cfg(feature = "sqlite")]
use crate::journal::sqlite::{Database, Retention, SqliteJournal};
use crate::server::Handle;

/// What was asked for, and can be had.
pub(super) struct Storage {
    keep_messages: usize,
    max_rooms: usize,
    keep_files: usize,
    #[cfg(feature = "sqlite")]
    file: Option<(Database, Retention)>,
}

impl Storage {
    /// Opens the file, if there is to be one.
    pub(super) fn open(options: &Options) -> Result<Self, Error> {
        #[cfg(feature = "sqlite")]
        let file = match &options.db {
            Some(file) => {
                let database = Database::open(file, options.durability, options.new_epoch)?;
                let retention = Retention {
                    messages: options.keep_messages,
                    days: options.keep_days,
                    files: options.keep_files,
                    sessions: options.chat.max_sessions,
                };
                Some((database, retention))
            }
            None => None,
        };
        Ok(Storage {
            keep_messages: options.keep_messages,
            max_rooms: options.chat.max_rooms,
            keep_files: options.keep_files,
            #[cfg(feature = "sqlite")]
            file,
        })
    }

    /// The journal; it wakes the server.
    #[cfg(feature = "sqlite")]
    pub(super) fn journal(self, server: Handle) -> Result<Box<dyn Journal>, Error> {
        let memory = self.memory()?;
        let Some((database, retention)) = self.file else {
            return Ok(Box::new(memory));
        };
        let wake = move || server.wake();
        let journal = SqliteJournal::start(database, retention, wake);
        Ok(Box::new(journal.map_err(Error::Thread)?))
    }

    /// The journal; it is always done at once.
    #[cfg(not(feature = "sqlite"))]
    pub(super) fn journal(self, _: Handle) -> Result<MemoryJournal, Error> {
        self.memory()
    }

    fn memory(&self) -> Result<MemoryJournal, Error> {
        let mut epoch = [0; 8];
        getrandom::fill(&mut epoch).map_err(Error::Random)?;
        let epoch = u64::from_ne_bytes(epoch);
        let journal = MemoryJournal::new(self.keep_messages, self.max_rooms, epoch);
        Ok(journal.keep_files(match self.keep_files {
            0 => usize::MAX,
            bytes => bytes,
        }))
    }
}
