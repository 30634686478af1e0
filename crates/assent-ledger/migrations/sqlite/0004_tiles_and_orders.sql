-- Format 4: the hashes of complete tiles of the log, which follow from the leaves and are made again when they are lost;
-- orders to stop. What is sealed is in docs/formats/vault.md.

CREATE TABLE log_tiles (
    level INTEGER NOT NULL CHECK (level > 0),
    place INTEGER NOT NULL,
    hash  BLOB    NOT NULL,
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    id            BLOB    PRIMARY KEY,
    collection_id BLOB    REFERENCES collections (id),
    sealed        BLOB    NOT NULL,
    from_ms       INTEGER NOT NULL,
    until_ms      INTEGER CHECK (until_ms > from_ms),
    lifted_ms     INTEGER
) STRICT, WITHOUT ROWID;

-- What carries a person's id is found without reading everybody's.
CREATE INDEX grants_by_subject ON grants (subject_id);

UPDATE vault SET format_version = 4;
