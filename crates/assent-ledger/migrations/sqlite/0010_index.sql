-- Format 10. What each column means is in docs/formats/vault.md. Records are brought up to date by src/upgrade.rs, which needs
-- keys for it; the format of the vault is 10 when that is done.

-- People are found by keyed tags of their handle and name, so that nobody else's profile is opened for it. NULL: their key was damaged
-- when the tags were made.
ALTER TABLE subjects ADD COLUMN handle_tag BLOB;
ALTER TABLE subjects ADD COLUMN name_tag BLOB;
CREATE INDEX subjects_by_handle ON subjects (handle_tag);
CREATE INDEX subjects_by_name ON subjects (name_tag);

-- Jobs: what runs, how far it is, and how what ran before ended. The rows decide nothing; who asked, and the outcome, are sealed.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY,
    kind          TEXT    NOT NULL,
    collection_id BLOB,
    state         TEXT    NOT NULL,
    lease         TEXT    NOT NULL,
    token         INTEGER NOT NULL,
    done          INTEGER NOT NULL,
    total         INTEGER NOT NULL,
    sealed        BLOB    NOT NULL,
    outcome       BLOB,
    started_ms    INTEGER NOT NULL,
    heard_ms      INTEGER NOT NULL,
    ended_ms      INTEGER,
    cancel_ms     INTEGER,
    cancelled_by  BLOB
) STRICT;

-- Each batch of a scan asks who has templates of other models alone, of whom there are few.
CREATE INDEX templates_by_model ON templates (model_sha256);

-- The pictures and the forms of enrolments that wait for their witnesses, in pieces of 1 MiB. They go with the enrolment.
CREATE TABLE blobs (
    id         BLOB    NOT NULL,
    piece      INTEGER NOT NULL,
    subject_id BLOB    NOT NULL REFERENCES subjects (id),
    pending_id BLOB    NOT NULL REFERENCES pending_enrolments (id),
    kind       TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (id, piece)
) STRICT;
CREATE INDEX blobs_by_subject ON blobs (subject_id);
CREATE INDEX blobs_by_pending ON blobs (pending_id);
