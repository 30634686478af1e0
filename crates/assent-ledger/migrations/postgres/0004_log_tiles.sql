-- Format 4: the hashes of complete tiles of the log. They follow from the leaves and are made again when they are lost.

CREATE TABLE log_tiles (
    level BIGINT NOT NULL CHECK (level > 0),
    place BIGINT  NOT NULL,
    hash  BYTEA   NOT NULL,
    PRIMARY KEY (level, place)
);

UPDATE vault SET format_version = 4;
