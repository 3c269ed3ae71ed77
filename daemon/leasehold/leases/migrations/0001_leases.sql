-- Leases with all that is asked for as columns. In every table `mac` covers the rest of the row, but
-- for numbers that SQLite itself gives out; what is sealed needs none.
CREATE TABLE lease (
    id TEXT PRIMARY KEY NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    mount TEXT NOT NULL,
    operation TEXT NOT NULL,
    role TEXT NOT NULL,
    engine TEXT NOT NULL,
    engine_type TEXT NOT NULL,
    identity TEXT NOT NULL,
    owner TEXT NOT NULL,
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    target TEXT NOT NULL,
    recipe_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    issued_ms INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    max_expires_ms INTEGER NOT NULL,
    next_ms INTEGER,
    renewed_ms INTEGER,
    ended_ms INTEGER,
    cause TEXT,
    attempts INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    warned INTEGER NOT NULL,
    overdue INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    unproven INTEGER NOT NULL,
    handle TEXT NOT NULL,
    mac BLOB NOT NULL,
    -- No lease without an end (rule W14).
    CHECK (expires_ms > issued_ms AND expires_ms <= max_expires_ms),
    CHECK ((state = 'revoked') = (next_ms IS NULL))
) WITHOUT ROWID;

CREATE INDEX lease_due ON lease (engine, next_ms) WHERE next_ms IS NOT NULL;
CREATE INDEX lease_pending ON lease (id) WHERE state = 'pending';
CREATE INDEX lease_holder ON lease (identity, id);

-- What revoking needs, sealed; kept while a live lease refers to it.
CREATE TABLE recipe (
    id TEXT PRIMARY KEY NOT NULL,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Live leases by what limits and overviews ask for, kept with every change.
CREATE TABLE tally (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- Events that wait for subscribers, in order and without gaps.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    mac BLOB NOT NULL
);

-- Events whose audit line could not be written when they happened (rule AU3).
CREATE TABLE unaudited (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    mac BLOB NOT NULL
);

CREATE TABLE meta (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL,
    mac BLOB NOT NULL
) WITHOUT ROWID;
