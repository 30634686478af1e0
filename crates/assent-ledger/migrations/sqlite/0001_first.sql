-- Format 1. What each column means, and what is sealed, is in docs/formats/vault.md.

CREATE TABLE vault (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    id             BLOB    NOT NULL,
    format_version INTEGER NOT NULL,
    kind           TEXT    NOT NULL CHECK (kind IN ('household', 'organisation')),
    ring_check     BLOB    NOT NULL,
    sealed         BLOB    NOT NULL,
    scrub_due      INTEGER NOT NULL DEFAULT 0 CHECK (scrub_due IN (0, 1)),
    created_ms     INTEGER NOT NULL
) STRICT;

CREATE TABLE collections (
    id             BLOB    PRIMARY KEY,
    state          TEXT    NOT NULL CHECK (state IN ('open', 'frozen')),
    others         TEXT    NOT NULL,
    template_epoch INTEGER NOT NULL,
    face_epoch     INTEGER NOT NULL,
    sealed         BLOB    NOT NULL,
    created_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE witnesses (
    id            BLOB    PRIMARY KEY,
    sealed        BLOB    NOT NULL,
    registered_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE used_releases (
    tag BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE subjects (
    id         BLOB    PRIMARY KEY,
    owner      INTEGER NOT NULL CHECK (owner IN (0, 1)),
    sealed     BLOB    NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX subjects_one_owner ON subjects (owner) WHERE owner = 1;

CREATE TABLE grants (
    id             BLOB    PRIMARY KEY,
    subject_id     BLOB    NOT NULL REFERENCES subjects (id),
    collection_id  BLOB    NOT NULL REFERENCES collections (id),
    purpose        TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('active', 'withdrawn', 'expired')),
    notice_sha256  BLOB    NOT NULL,
    valid_from_ms  INTEGER NOT NULL,
    valid_until_ms INTEGER NOT NULL CHECK (valid_until_ms > valid_from_ms),
    sealed         BLOB    NOT NULL,
    created_ms     INTEGER NOT NULL,
    UNIQUE (id, state)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX grants_one_active ON grants (subject_id, collection_id, purpose) WHERE state = 'active';

CREATE TABLE templates (
    id           INTEGER PRIMARY KEY,
    grant_id     BLOB    NOT NULL,
    grant_state  TEXT    NOT NULL DEFAULT 'active' CHECK (grant_state = 'active'),
    model_sha256 BLOB    NOT NULL,
    epoch        INTEGER NOT NULL,
    sealed       BLOB    NOT NULL,
    created_ms   INTEGER NOT NULL,
    FOREIGN KEY (grant_id, grant_state) REFERENCES grants (id, state)
) STRICT;
CREATE INDEX templates_by_grant ON templates (grant_id);

CREATE TABLE photos (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id BLOB    NOT NULL REFERENCES collections (id),
    path_tag      BLOB    NOT NULL,
    content_tag   BLOB    NOT NULL,
    sealed        BLOB    NOT NULL,
    bytes         INTEGER NOT NULL,
    mtime_ms      INTEGER NOT NULL,
    width         INTEGER NOT NULL,
    height        INTEGER NOT NULL,
    outcome       TEXT    NOT NULL CHECK (outcome IN ('no_face', 'faces', 'failed')),
    failure       TEXT    CHECK ((failure IS NOT NULL) = (outcome = 'failed')),
    scanned_with  BLOB    NOT NULL,
    matched_epoch INTEGER,
    UNIQUE (collection_id, path_tag)
) STRICT;
CREATE INDEX photos_by_content ON photos (collection_id, content_tag);

CREATE TABLE faces (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    photo_id     INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    x            REAL    NOT NULL,
    y            REAL    NOT NULL,
    w            REAL    NOT NULL,
    h            REAL    NOT NULL,
    quarter_turn INTEGER NOT NULL CHECK (quarter_turn BETWEEN 0 AND 3),
    score        REAL    NOT NULL,
    size_px      REAL    NOT NULL,
    sharpness    REAL    NOT NULL,
    luminance    REAL    NOT NULL
) STRICT;
CREATE INDEX faces_by_photo ON faces (photo_id);

CREATE TABLE sightings (
    collection_id BLOB    NOT NULL REFERENCES collections (id),
    pseudonym     BLOB    NOT NULL,
    face_id       INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
    photo_id      INTEGER NOT NULL,
    sealed        BLOB    NOT NULL,
    PRIMARY KEY (collection_id, pseudonym, face_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sightings_by_photo ON sightings (photo_id);
CREATE INDEX sightings_by_face ON sightings (face_id);

CREATE TABLE decisions (
    collection_id BLOB    NOT NULL REFERENCES collections (id),
    pseudonym     BLOB    NOT NULL,
    face_id       INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
    sealed        BLOB    NOT NULL,
    PRIMARY KEY (collection_id, pseudonym, face_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX decisions_by_face ON decisions (face_id);

CREATE TABLE tombstones (
    subject_id  BLOB    PRIMARY KEY,
    erased_ms   INTEGER NOT NULL,
    intent_leaf INTEGER NOT NULL,
    intent_salt BLOB    NOT NULL,
    done_leaf   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE log_head (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    size  INTEGER NOT NULL,
    peaks BLOB    NOT NULL
) STRICT;
INSERT INTO log_head (one, size, peaks) VALUES (1, 0, x'');

CREATE TABLE log_leaves (
    seq   INTEGER PRIMARY KEY,
    bytes BLOB    NOT NULL,
    hash  BLOB    NOT NULL
) STRICT;

CREATE TABLE log_openings (
    pseudonym BLOB    NOT NULL,
    seq       INTEGER NOT NULL,
    slot      INTEGER NOT NULL,
    sealed    BLOB    NOT NULL,
    PRIMARY KEY (pseudonym, seq, slot)
) STRICT, WITHOUT ROWID;

-- The rules below hold for every client, also for one that left foreign keys off.

CREATE TRIGGER templates_need_an_active_grant BEFORE INSERT ON templates
WHEN NOT EXISTS (
    SELECT 1 FROM grants g WHERE g.id = NEW.grant_id AND g.state = 'active'
        AND g.valid_from_ms <= NEW.created_ms AND NEW.created_ms < g.valid_until_ms)
BEGIN SELECT RAISE(ABORT, 'assent: a template needs a grant that is active at its time'); END;

CREATE TRIGGER templates_keep_an_active_grant BEFORE UPDATE ON templates
WHEN NOT EXISTS (
    SELECT 1 FROM grants g WHERE g.id = NEW.grant_id AND g.state = 'active'
        AND g.valid_from_ms <= NEW.created_ms AND NEW.created_ms < g.valid_until_ms)
BEGIN SELECT RAISE(ABORT, 'assent: a template needs a grant that is active at its time'); END;

CREATE TRIGGER grants_end_without_templates BEFORE UPDATE OF state ON grants
WHEN NEW.state <> 'active' AND EXISTS (SELECT 1 FROM templates t WHERE t.grant_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'assent: delete the templates of a grant before it ends'); END;

CREATE TRIGGER grants_go_without_templates BEFORE DELETE ON grants
WHEN EXISTS (SELECT 1 FROM templates t WHERE t.grant_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'assent: delete the templates of a grant before it ends'); END;

CREATE TRIGGER grants_never_come_back BEFORE UPDATE OF state ON grants
WHEN OLD.state <> 'active' AND NEW.state <> OLD.state
BEGIN SELECT RAISE(ABORT, 'assent: an ended grant never comes back'); END;

CREATE TRIGGER grants_are_fixed BEFORE UPDATE OF id, subject_id, collection_id, purpose, notice_sha256, valid_from_ms, valid_until_ms ON grants
BEGIN SELECT RAISE(ABORT, 'assent: a grant is never changed, only ended'); END;

CREATE TRIGGER log_leaves_stay BEFORE DELETE ON log_leaves
BEGIN SELECT RAISE(ABORT, 'assent: the log is append-only'); END;

CREATE TRIGGER log_leaves_are_fixed BEFORE UPDATE ON log_leaves
BEGIN SELECT RAISE(ABORT, 'assent: the log is append-only'); END;

CREATE TRIGGER tombstones_stay BEFORE DELETE ON tombstones
BEGIN SELECT RAISE(ABORT, 'assent: a tombstone stays'); END;
