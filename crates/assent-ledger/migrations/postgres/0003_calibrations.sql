-- Format 3: what the people of a collection say about the models' table. What is sealed is in docs/formats/vault.md.

CREATE TABLE calibrations (
    collection_id BYTEA   NOT NULL REFERENCES collections (id),
    model_sha256  BYTEA   NOT NULL,
    sealed        BYTEA   NOT NULL,
    created_ms    BIGINT  NOT NULL,
    PRIMARY KEY (collection_id, model_sha256)
);

UPDATE vault SET format_version = 3;
