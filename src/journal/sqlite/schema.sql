-- Rooms that something was said in.
CREATE TABLE rooms (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,        -- names the numbering
    gone  INTEGER NOT NULL      -- entries up to this number are no longer kept
);

-- What was said. Those of a room are numbered 1, 2, 3 …; the oldest may be gone.
CREATE TABLE entries (
    room   INTEGER NOT NULL,    -- rooms.id
    seq    INTEGER NOT NULL,
    time   INTEGER NOT NULL,    -- Unix milliseconds
    person TEXT NOT NULL,       -- the author's id
    name   TEXT NOT NULL,       -- and name at that time
    cid    TEXT NOT NULL,       -- what the author calls it
    text   TEXT NOT NULL,       -- plain text, to be escaped in HTML; empty, and no
                                -- file, where it was removed
    file   TEXT,                -- the name of the file, where it is about one
    media  TEXT,                -- its kind, such as image/png
    size   INTEGER,             -- in bytes
    PRIMARY KEY (room, seq)
) WITHOUT ROWID;

-- Nothing is said twice.
CREATE UNIQUE INDEX entries_by_cid ON entries (person, cid);

-- What is in files. The oldest may be gone when their entries are not.
CREATE TABLE files (
    id    INTEGER PRIMARY KEY,  -- ascending
    room  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,     -- the entry it belongs to
    bytes BLOB NOT NULL,
    UNIQUE (room, seq)
);

-- What all of them take.
CREATE TABLE files_size (bytes INTEGER NOT NULL);
INSERT INTO files_size VALUES (0);
CREATE TRIGGER file_comes AFTER INSERT ON files BEGIN
    UPDATE files_size SET bytes = bytes + length(new.bytes);
END;
CREATE TRIGGER file_goes AFTER DELETE ON files BEGIN
    UPDATE files_size SET bytes = bytes - length(old.bytes);
END;

-- Who said something in the last 30 days, and may come back as the same.
CREATE TABLE sessions (
    person TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,       -- SHA-1 of the session's secret, in base64url; of a
                                -- site's member, `member:` and that of its `sub`
    seen   INTEGER NOT NULL     -- Unix milliseconds, to the day
) WITHOUT ROWID;

-- How the last server to write ended.
CREATE TABLE state (
    is_clean   INTEGER NOT NULL,
    boot       TEXT NOT NULL,
    durability TEXT NOT NULL
);
INSERT INTO state VALUES (1, '', '');
