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
    text   TEXT NOT NULL,       -- plain text, to be escaped in HTML
    PRIMARY KEY (room, seq)
) WITHOUT ROWID;

-- Nothing is said twice.
CREATE UNIQUE INDEX entries_by_cid ON entries (person, cid);

-- Who said something in the last 30 days, and may come back as the same.
CREATE TABLE sessions (
    person TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,       -- SHA-1 of the session's secret, in base64url
    seen   INTEGER NOT NULL     -- Unix milliseconds, to the day
) WITHOUT ROWID;

-- How the last server to write ended.
CREATE TABLE state (
    is_clean   INTEGER NOT NULL,
    boot       TEXT NOT NULL,
    durability TEXT NOT NULL
);
INSERT INTO state VALUES (1, '', '');
