-- Format 4: the hashes of complete tiles of the log, which follow from the leaves and are made again when they are lost;
-- orders to stop. What is sealed is in docs/formats/vault.md.

CREATE TABLE log_tiles (
    level BIGINT NOT NULL CHECK (level > 0),
    place BIGINT  NOT NULL,
    hash  BYTEA   NOT NULL,
    PRIMARY KEY (level, place)
);

CREATE TABLE orders (
    id            BYTEA   PRIMARY KEY,
    collection_id BYTEA   REFERENCES collections (id),
    sealed        BYTEA   NOT NULL,
    from_ms       BIGINT  NOT NULL,
    until_ms      BIGINT  CHECK (until_ms > from_ms),
    lifted_ms     BIGINT 
);

-- What carries a person's id is found without reading everybody's.
CREATE INDEX grants_by_subject ON grants (subject_id);

UPDATE vault SET format_version = 4;
