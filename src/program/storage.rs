//! Where messages are kept.

use super::Error;
use super::options::Options;
use crate::chat::Journal;
use crate::journal::memory::MemoryJournal;
#[cfg(feature = "sqlite")]
use crate::journal::sqlite::{Database, Retention, SqliteJournal};
use crate::server::Handle;

/// What was asked for, and can be had.
pub(super) struct Storage {
    keep_messages: usize,
    max_rooms: usize,
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
                    sessions: options.chat.max_sessions,
                };
                Some((database, retention))
            }
            None => None,
        };
        Ok(Storage {
            keep_messages: options.keep_messages,
            max_rooms: options.chat.max_rooms,
            #[cfg(feature = "sqlite")]
            file,
        })
    }

    /// The journal; it wakes the server.
    pub(super) fn journal(self, server: Handle) -> Result<Box<dyn Journal>, Error> {
        #[cfg(feature = "sqlite")]
        if let Some((database, retention)) = self.file {
            let wake = move || server.wake();
            let journal = SqliteJournal::start(database, retention, wake);
            return Ok(Box::new(journal.map_err(Error::Thread)?));
        }
        #[cfg(not(feature = "sqlite"))]
        drop(server);
        let mut epoch = [0; 8];
        getrandom::fill(&mut epoch).map_err(Error::Random)?;
        let epoch = u64::from_ne_bytes(epoch);
        let journal = MemoryJournal::new(self.keep_messages, self.max_rooms, epoch);
        Ok(Box::new(journal))
    }
}
