-- What a lease is bound to: when that ends, the lease does. Rows of before are bound to nothing, and
-- the MAC that they bear does not cover this column.
ALTER TABLE lease ADD COLUMN holder TEXT NOT NULL DEFAULT '';
CREATE INDEX lease_holding ON lease (holder, id) WHERE holder <> '' AND next_ms IS NOT NULL;

-- Tokens by what their texts hash to. What is asked for has columns, the rest is in `record`.
CREATE TABLE token (
    hash TEXT PRIMARY KEY NOT NULL,
    accessor TEXT NOT NULL UNIQUE,
    parent TEXT NOT NULL,
    version INTEGER NOT NULL,
    next_ms INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    record TEXT NOT NULL,
    mac BLOB NOT NULL
) WITHOUT ROWID;

CREATE INDEX token_due ON token (next_ms);
CREATE INDEX token_parent ON token (parent) WHERE parent <> '';
