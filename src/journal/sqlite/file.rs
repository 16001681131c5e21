//! The file: who may use it, and what is in it.
//!
//! # Schema
//!
//! Other programs may read the database while the server runs, with any SQLite
//! since 3.8.2; they need write permission for its folder or the `-wal` and
//! `-shm` files beside it to be there. They must not write. A part of the file
//! may be in `-wal`: it is copied with `VACUUM INTO` or `.backup`, never with
//! `cp`.
//!
//! ```sql
#![doc = include_str!("schema.sql")]
//! ```
//!
//! The newest ten entries of a room, for one:
//!
//! ```sql
//! SELECT entries.seq, time, entries.name, text
//! FROM entries JOIN rooms ON rooms.id = entries.room
//! WHERE rooms.name = 'lobby' ORDER BY entries.seq DESC LIMIT 10;
//! ```

use core::fmt;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::{info, warn};
use rusqlite::{Connection, OpenFlags};

use super::store;
use crate::chat::KnownSession;

/// When an entry counts as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk: it survives a power cut.
    #[default]
    Full,
    /// When the system has it: it survives the end of the program. After a power
    /// cut the last ones may be gone, and rooms have a new epoch.
    Normal,
}

impl Durability {
    /// As it is typed and stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Durability::Full => "full",
            Durability::Normal => "normal",
        }
    }
}

/// A database that is open, and nobody else's.
#[derive(Debug)]
pub struct Database {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) durability: Durability,
    /// Held as long as the database is open.
    _lock: File,
    identity: Identity,
    /// That of `-wal`, where the newest of it is.
    wal: Option<Identity>,
}

/// What a file is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Database {
    /// Opens a file, or makes it. `new_epoch` begins the numbering of all rooms
    /// anew, as is due where an older copy of the file was put back.
    ///
    /// # Errors
    /// Why it cannot be used; it is left as it was.
    pub fn open(file: &Path, durability: Durability, new_epoch: bool) -> Result<Self, OpenError> {
        open(file, durability, new_epoch, MIGRATIONS).map_err(|why| OpenError {
            file: file.to_owned(),
            why,
        })
    }

    /// The sessions that said something last, the last one at the end.
    pub(super) fn sessions(&self, limit: usize) -> Vec<KnownSession> {
        store::sessions(&self.connection, limit).unwrap_or_else(|error| {
            warn!("{}: sessions cannot be read: {error}", self.path.display());
            Vec::new()
        })
    }

    /// Whether the file, with its `-wal`, still is where it was opened.
    pub(super) fn is_in_place(&mut self) -> bool {
        let wal = Identity::of(&beside(&self.path, "-wal")).ok();
        // It comes with the first use.
        self.wal = self.wal.or(wal);
        wal == self.wal && Identity::of(&self.path).is_ok_and(|now| now == self.identity)
    }
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

fn open(
    file: &Path,
    durability: Durability,
    new_epoch: bool,
    migrations: &[&str],
) -> Result<Database, Why> {
    let path = resolve(file)?;
    let lock = lock(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    prepare(&connection, &path, migrations)?;
    connection.pragma_update(None, "synchronous", Durability::Full.name())?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)?;
    connection.set_prepared_statement_cache_capacity(store::STATEMENTS);
    if new_epoch || store::may_have_gone_back(&connection, &boot())? {
        store::renew_epochs(&connection)?;
        info!("{}: rooms have a new epoch", path.display());
    }
    // What was written until here is on the disk.
    connection.pragma_update(None, "synchronous", durability.name())?;
    let identity = Identity::of(&path).map_err(Why::Io)?;
    let mut database = Database {
        connection,
        path,
        durability,
        _lock: lock,
        identity,
        wal: None,
    };
    database.is_in_place();
    Ok(database)
}

/// The file itself, by whatever name it was called: two servers that call it
/// differently have to see the same lock.
fn resolve(file: &Path) -> Result<PathBuf, Why> {
    match fs::canonicalize(file) {
        Err(_) if file.is_symlink() => Err(Why::DeadLink),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = file.file_name().ok_or(Why::NoFile)?;
            let folder = match file.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let folder = fs::canonicalize(folder).map_err(|_| Why::NoFolder)?;
            Ok(folder.join(name))
        }
        // Servers that come by different ones would each have a lock and a log.
        Ok(path) if fs::metadata(&path).is_ok_and(|file| file.is_file() && file.nlink() > 1) => {
            Err(Why::SeveralNames)
        }
        Ok(path) if path.is_file() => Ok(path),
        Ok(_) => Err(Why::NoFile),
        Err(error) => Err(Why::Io(error)),
    }
}

/// Takes the lock of a file. Its own file stays: if it went, a server that
/// waits for it and one that comes later would hold different ones.
fn lock(path: &Path) -> Result<File, Why> {
    let mut options = File::options();
    let options = options.create(true).truncate(false).write(true);
    let lock = options.open(beside(path, ".lock")).map_err(Why::Io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Why::InUse),
        Err(TryLockError::Error(error)) => Err(Why::Io(error)),
    }
}

/// Sees that the database is ours and of this version, as far as one can see at
/// once; makes it where there is none.
fn prepare(connection: &Connection, path: &Path, migrations: &[&str]) -> Result<(), Why> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version")?;
    let is_empty = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get::<_, bool>(0)
    })?;
    if !is_empty && pragma("application_id")? != APPLICATION_ID {
        return Err(Why::Foreign);
    }
    let newest = migrations.len();
    let version = match usize::try_from(version) {
        Ok(version) if version <= newest => version,
        _ => return Err(Why::Newer),
    };
    if connection.is_readonly("main")? {
        return Err(Why::ReadOnly);
    }
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Why::NoWal);
    }
    if version < newest {
        if version > 0 {
            let copy = beside(path, &format!(".v{version}"));
            copy_into(connection, &copy)?;
            info!("a copy of the older version is kept: {}", copy.display());
        }
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             PRAGMA application_id = {APPLICATION_ID};
             {}
             PRAGMA user_version = {newest};
             COMMIT;",
            migrations[version..].concat()
        ))?;
    }
    Ok(())
}

fn copy_into(connection: &Connection, copy: &Path) -> Result<(), Why> {
    if copy.exists() {
        return Err(Why::CopyExists(copy.to_owned()));
    }
    let name = copy.to_str().ok_or(Why::NoFile)?;
    connection.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// What changes with each start of the machine; empty where that is not told.
pub(super) fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    boot.map(|boot| boot.trim().to_owned()).unwrap_or_default()
}

/// A database that cannot be used.
#[derive(Debug)]
pub struct OpenError {
    file: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    NoFile,
    NoFolder,
    DeadLink,
    SeveralNames,
    InUse,
    ReadOnly,
    Foreign,
    Newer,
    NoWal,
    CopyExists(PathBuf),
    Io(io::Error),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Why {
    fn from(error: rusqlite::Error) -> Self {
        Why::Sqlite(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, DiskFull, NotADatabase};
        let file = self.file.display();
        write!(f, "--db {file}: ")?;
        match &self.why {
            Why::NoFile => f.write_str("this names no file; name one, such as veche.db"),
            Why::NoFolder => f.write_str("there is no such folder; make it, or name another file"),
            Why::DeadLink => f.write_str("this link leads nowhere; name the file itself"),
            Why::SeveralNames => {
                f.write_str("it has several names (hard links); remove all but one")
            }
            Why::InUse => f.write_str(
                "another server has it open; stop that one, or name another file with --db",
            ),
            Why::ReadOnly => f.write_str(
                "no permission to write it; give this user the permission, or name another file",
            ),
            Why::Foreign => {
                f.write_str("it belongs to another program; name another file with --db")
            }
            Why::Newer => f.write_str(
                "it was written by a newer version of this server; start that one, or name another file",
            ),
            Why::NoWal => f.write_str(
                "its file system cannot share memory; name a file on a disk of this machine",
            ),
            Why::CopyExists(copy) => write!(
                f,
                "the copy to be kept of the older version is there already; move {} away",
                copy.display()
            ),
            Why::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => f.write_str(
                "no permission to make files in its folder; name another file with --db, or none to keep nothing",
            ),
            Why::Io(error) => write!(f, "{error}; name another file with --db"),
            Why::Sqlite(error) => match error.sqlite_error_code() {
                Some(NotADatabase) => {
                    f.write_str("it is no database; name another file with --db")
                }
                Some(DatabaseCorrupt) => write!(
                    f,
                    "it is damaged, or beside it is the -wal of another file; put a copy in its place without that, or save what can be read: sqlite3 {file} .recover"
                ),
                Some(DiskFull) => f.write_str("the disk is full; make room"),
                Some(CannotOpen) => f.write_str(
                    "it cannot be opened; give this user the permission, or name another file",
                ),
                _ => write!(f, "{error}; name another file with --db"),
            },
        }
    }
}

impl core::error::Error for OpenError {}

/// What leads from each version of the schema to the next.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// Tells our databases from those of others: "Vech".
const APPLICATION_ID: i64 = 0x5665_6368;

/// How long another program may have the database locked until that is told.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of the file is held in memory, as far as it is used: the newest pages
/// of some hundred rooms, and what their people call their entries, which has no
/// order.
const CACHE_KIB: i64 = 8 << 10;

/// When what is in `-wal` is carried over, in pages of 4 KiB: 8 MiB.
const CHECKPOINT_PAGES: i64 = 2048;

/// What is left of `-wal` when it had to grow beyond. It passes
/// [`CHECKPOINT_PAGES`] by a batch each time: a file that keeps its size is
/// cheaper to write.
const JOURNAL_BYTES: i64 = 16 << 20;

#[cfg(test)]
pub(super) fn open_with(file: &Path, migrations: &[&str]) -> Result<Database, OpenError> {
    open(file, Durability::Full, false, migrations).map_err(|why| OpenError {
        file: file.to_owned(),
        why,
    })
}
