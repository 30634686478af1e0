-- Format 4: the hashes of complete tiles of the log. They follow from the leaves and are made again when they are lost.

CREATE TABLE log_tiles (
    level INTEGER NOT NULL CHECK (level > 0),
    place INTEGER NOT NULL,
    hash  BLOB    NOT NULL,
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

-- What carries a person's id is found without reading everybody's.
CREATE INDEX grants_by_subject ON grants (subject_id);

UPDATE vault SET format_version = 4;
