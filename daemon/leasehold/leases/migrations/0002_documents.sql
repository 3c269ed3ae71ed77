-- Small records beside the leases (generations, findings, evidence), sealed and bound to their place.
CREATE TABLE document (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
