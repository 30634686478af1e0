-- Format 8: several processes work on one vault. Who does what nobody else does at the same time. What each column means is
-- in docs/formats/vault.md.

CREATE TABLE leases (
    name     TEXT    PRIMARY KEY,
    holder   BLOB    NOT NULL,
    token    INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
);

UPDATE vault SET format_version = 8;
