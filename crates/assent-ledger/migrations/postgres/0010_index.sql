-- Format 10. What each column means is in docs/formats/vault.md. Records are brought up to date by src/upgrade.rs, which needs
-- keys for it; the format of the vault is 10 when that is done.

-- People are found by keyed tags of their handle and name, so that nobody else's profile is opened for it. NULL: their key was damaged
-- when the tags were made.
ALTER TABLE subjects ADD COLUMN handle_tag BYTEA;
ALTER TABLE subjects ADD COLUMN name_tag BYTEA;
CREATE INDEX subjects_by_handle ON subjects (handle_tag);
CREATE INDEX subjects_by_name ON subjects (name_tag);

-- Jobs: what runs, how far it is, and how what ran before ended. The rows decide nothing; who asked, and the outcome, are sealed.
CREATE TABLE jobs (
    id            BIGINT  PRIMARY KEY,
    kind          TEXT    NOT NULL,
    collection_id BYTEA,
    state         TEXT    NOT NULL,
    lease         TEXT    NOT NULL,
    token         BIGINT  NOT NULL,
    done          BIGINT  NOT NULL,
    total         BIGINT  NOT NULL,
    sealed        BYTEA   NOT NULL,
    outcome       BYTEA,
    started_ms    BIGINT  NOT NULL,
    heard_ms      BIGINT  NOT NULL,
    ended_ms      BIGINT,
    cancel_ms     BIGINT,
    cancelled_by  BYTEA
);

-- Each batch of a scan asks who has templates of other models alone, of whom there are few.
CREATE INDEX templates_by_model ON templates (model_sha256);

-- The pictures and the forms of enrolments that wait for their witnesses, in pieces of 1 MiB. They go with the enrolment.
CREATE TABLE blobs (
    id         BYTEA  NOT NULL,
    piece      BIGINT NOT NULL,
    subject_id BYTEA  NOT NULL REFERENCES subjects (id),
    pending_id BYTEA  NOT NULL REFERENCES pending_enrolments (id),
    kind       TEXT   NOT NULL,
    sealed     BYTEA  NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (id, piece)
);
CREATE INDEX blobs_by_subject ON blobs (subject_id);
CREATE INDEX blobs_by_pending ON blobs (pending_id);
