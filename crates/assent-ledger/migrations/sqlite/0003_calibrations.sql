-- Format 3: what the people of a collection say about the models' table. What is sealed is in docs/formats/vault.md.

CREATE TABLE calibrations (
    collection_id BLOB    NOT NULL REFERENCES collections (id),
    model_sha256  BLOB    NOT NULL,
    sealed        BLOB    NOT NULL,
    created_ms    INTEGER NOT NULL,
    PRIMARY KEY (collection_id, model_sha256)
) STRICT;

UPDATE vault SET format_version = 3;
