-- Format 5: notices, refusals, requests and objections; consents that renew others; enrolments that wait for their
-- witnesses; people and jurisdictions for whom everything stands still. What is sealed is in docs/formats/vault.md.

CREATE TABLE notices (
    sha256     BLOB    PRIMARY KEY,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    language   TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE (name, language, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusals (
    id            BLOB    PRIMARY KEY,
    subject_id    BLOB    NOT NULL REFERENCES subjects (id),
    collection_id BLOB    NOT NULL REFERENCES collections (id),
    purpose       TEXT    NOT NULL,
    notice_sha256 BLOB    NOT NULL,
    created_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refusals_by_subject ON refusals (subject_id);

CREATE TABLE requests (
    id            BLOB    PRIMARY KEY,
    kind          TEXT    NOT NULL,
    subject_id    BLOB    REFERENCES subjects (id),
    collection_id BLOB    REFERENCES collections (id),
    sealed        BLOB,
    received_ms   INTEGER NOT NULL,
    due_ms        INTEGER NOT NULL CHECK (due_ms > received_ms),
    first_due_ms  INTEGER NOT NULL,
    paused_ms     INTEGER,
    answered_ms   INTEGER,
    outcome       TEXT    CHECK ((outcome IS NOT NULL) = (answered_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_subject ON requests (subject_id);

CREATE TABLE objections (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id BLOB    NOT NULL REFERENCES collections (id),
    content_tag   BLOB    NOT NULL,
    x             REAL    NOT NULL,
    y             REAL    NOT NULL,
    w             REAL    NOT NULL,
    h             REAL    NOT NULL,
    created_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX objections_by_content ON objections (collection_id, content_tag);

CREATE TABLE pending_enrolments (
    id             BLOB    PRIMARY KEY,
    subject_id     BLOB    NOT NULL REFERENCES subjects (id),
    valid_until_ms INTEGER NOT NULL,
    sealed         BLOB    NOT NULL,
    created_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_enrolments_by_subject ON pending_enrolments (subject_id);

ALTER TABLE grants ADD COLUMN renews BLOB;
ALTER TABLE orders ADD COLUMN jurisdiction TEXT;
ALTER TABLE subjects ADD COLUMN restricted_ms INTEGER;
CREATE INDEX subjects_restricted ON subjects (id) WHERE restricted_ms IS NOT NULL;

CREATE TRIGGER grants_renew_for_good BEFORE UPDATE OF renews ON grants
BEGIN SELECT RAISE(ABORT, 'assent: a grant is never changed, only ended'); END;

CREATE TRIGGER notices_are_fixed BEFORE UPDATE ON notices
BEGIN SELECT RAISE(ABORT, 'assent: a notice is never changed, a new version is added'); END;

CREATE TRIGGER notices_stay BEFORE DELETE ON notices
BEGIN SELECT RAISE(ABORT, 'assent: a notice stays'); END;

UPDATE vault SET format_version = 5;
