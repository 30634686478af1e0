-- Format 4: the hashes of complete tiles of the log. They follow from the leaves and are made again when they are lost.

CREATE TABLE log_tiles (
    level INTEGER NOT NULL CHECK (level > 0),
    place INTEGER NOT NULL,
    hash  BLOB    NOT NULL,
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

UPDATE vault SET format_version = 4;
