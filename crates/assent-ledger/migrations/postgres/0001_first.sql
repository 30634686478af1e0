-- Format 1. What each column means, and what is sealed, is in docs/formats/vault.md.

CREATE TABLE vault (
    one            BIGINT  PRIMARY KEY CHECK (one = 1),
    id             BYTEA   NOT NULL,
    format_version BIGINT  NOT NULL,
    kind           TEXT    NOT NULL CHECK (kind IN ('household', 'organisation')),
    ring_check     BYTEA   NOT NULL,
    sealed         BYTEA   NOT NULL,
    scrub_due      BIGINT  NOT NULL DEFAULT 0 CHECK (scrub_due IN (0, 1)),
    created_ms     BIGINT  NOT NULL
);

CREATE TABLE collections (
    id             BYTEA   PRIMARY KEY,
    state          TEXT    NOT NULL CHECK (state IN ('open', 'frozen')),
    others         TEXT    NOT NULL,
    template_epoch BIGINT  NOT NULL,
    face_epoch     BIGINT  NOT NULL,
    sealed         BYTEA   NOT NULL,
    created_ms     BIGINT  NOT NULL
);

CREATE TABLE witnesses (
    id            BYTEA   PRIMARY KEY,
    sealed        BYTEA   NOT NULL,
    registered_ms BIGINT  NOT NULL
);

CREATE TABLE used_releases (
    tag BYTEA PRIMARY KEY
);

CREATE TABLE subjects (
    id         BYTEA   PRIMARY KEY,
    owner      BIGINT  NOT NULL CHECK (owner IN (0, 1)),
    sealed     BYTEA   NOT NULL,
    created_ms BIGINT  NOT NULL
);
CREATE UNIQUE INDEX subjects_one_owner ON subjects (owner) WHERE owner = 1;

CREATE TABLE grants (
    id             BYTEA   PRIMARY KEY,
    subject_id     BYTEA   NOT NULL REFERENCES subjects (id),
    collection_id  BYTEA   NOT NULL REFERENCES collections (id),
    purpose        TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('active', 'withdrawn', 'expired')),
    notice_sha256  BYTEA   NOT NULL,
    valid_from_ms  BIGINT  NOT NULL,
    valid_until_ms BIGINT  NOT NULL CHECK (valid_until_ms > valid_from_ms),
    sealed         BYTEA   NOT NULL,
    created_ms     BIGINT  NOT NULL,
    UNIQUE (id, state)
);
CREATE UNIQUE INDEX grants_one_active ON grants (subject_id, collection_id, purpose) WHERE state = 'active';

CREATE TABLE templates (
    id           BIGINT  PRIMARY KEY,
    grant_id     BYTEA   NOT NULL,
    grant_state  TEXT    NOT NULL DEFAULT 'active' CHECK (grant_state = 'active'),
    model_sha256 BYTEA   NOT NULL,
    epoch        BIGINT  NOT NULL,
    sealed       BYTEA   NOT NULL,
    created_ms   BIGINT  NOT NULL,
    FOREIGN KEY (grant_id, grant_state) REFERENCES grants (id, state)
);
CREATE INDEX templates_by_grant ON templates (grant_id);

CREATE TABLE photos (
    id            BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id BYTEA   NOT NULL REFERENCES collections (id),
    path_tag      BYTEA   NOT NULL,
    content_tag   BYTEA   NOT NULL,
    sealed        BYTEA   NOT NULL,
    bytes         BIGINT  NOT NULL,
    mtime_ms      BIGINT  NOT NULL,
    width         BIGINT  NOT NULL,
    height        BIGINT  NOT NULL,
    outcome       TEXT    NOT NULL CHECK (outcome IN ('no_face', 'faces', 'failed')),
    failure       TEXT    CHECK ((failure IS NOT NULL) = (outcome = 'failed')),
    scanned_with  BYTEA   NOT NULL,
    matched_epoch BIGINT,
    UNIQUE (collection_id, path_tag)
);
CREATE INDEX photos_by_content ON photos (collection_id, content_tag);

CREATE TABLE faces (
    id           BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    photo_id     BIGINT  NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    x            DOUBLE PRECISION NOT NULL,
    y            DOUBLE PRECISION NOT NULL,
    w            DOUBLE PRECISION NOT NULL,
    h            DOUBLE PRECISION NOT NULL,
    quarter_turn BIGINT  NOT NULL CHECK (quarter_turn BETWEEN 0 AND 3),
    score        DOUBLE PRECISION NOT NULL,
    size_px      DOUBLE PRECISION NOT NULL,
    sharpness    DOUBLE PRECISION NOT NULL,
    luminance    DOUBLE PRECISION NOT NULL
);
CREATE INDEX faces_by_photo ON faces (photo_id);

CREATE TABLE sightings (
    collection_id BYTEA   NOT NULL REFERENCES collections (id),
    pseudonym     BYTEA   NOT NULL,
    face_id       BIGINT  NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
    photo_id      BIGINT  NOT NULL,
    sealed        BYTEA   NOT NULL,
    PRIMARY KEY (collection_id, pseudonym, face_id)
);
CREATE INDEX sightings_by_photo ON sightings (photo_id);
CREATE INDEX sightings_by_face ON sightings (face_id);

CREATE TABLE decisions (
    collection_id BYTEA   NOT NULL REFERENCES collections (id),
    pseudonym     BYTEA   NOT NULL,
    face_id       BIGINT  NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
    sealed        BYTEA   NOT NULL,
    PRIMARY KEY (collection_id, pseudonym, face_id)
);
CREATE INDEX decisions_by_face ON decisions (face_id);

CREATE TABLE tombstones (
    subject_id  BYTEA   PRIMARY KEY,
    erased_ms   BIGINT  NOT NULL,
    intent_leaf BIGINT  NOT NULL,
    intent_salt BYTEA   NOT NULL,
    done_leaf   BIGINT
);

CREATE TABLE log_head (
    one   BIGINT  PRIMARY KEY CHECK (one = 1),
    size  BIGINT  NOT NULL,
    peaks BYTEA   NOT NULL
);
INSERT INTO log_head (one, size, peaks) VALUES (1, 0, ''::bytea);

CREATE TABLE log_leaves (
    seq   BIGINT  PRIMARY KEY,
    bytes BYTEA   NOT NULL,
    hash  BYTEA   NOT NULL
);

CREATE TABLE log_openings (
    pseudonym BYTEA   NOT NULL,
    seq       BIGINT  NOT NULL,
    slot      BIGINT  NOT NULL,
    sealed    BYTEA   NOT NULL,
    PRIMARY KEY (pseudonym, seq, slot)
);

-- The rules below hold for every client.

CREATE FUNCTION assent_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$;

CREATE FUNCTION assent_template_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM grants g WHERE g.id = NEW.grant_id AND g.state = 'active'
            AND g.valid_from_ms <= NEW.created_ms AND NEW.created_ms < g.valid_until_ms)
    THEN RAISE EXCEPTION 'assent: a template needs a grant that is active at its time';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION assent_grant_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'active' AND NEW.state <> OLD.state
    THEN RAISE EXCEPTION 'assent: an ended grant never comes back';
    END IF;
    IF NEW.state <> 'active' AND EXISTS (SELECT 1 FROM templates t WHERE t.grant_id = OLD.id)
    THEN RAISE EXCEPTION 'assent: delete the templates of a grant before it ends';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER templates_need_an_active_grant BEFORE INSERT OR UPDATE ON templates
FOR EACH ROW EXECUTE FUNCTION assent_template_rule();

CREATE TRIGGER grants_end_once_without_templates BEFORE UPDATE OF state ON grants
FOR EACH ROW EXECUTE FUNCTION assent_grant_rule();

CREATE TRIGGER grants_are_fixed BEFORE UPDATE OF id, subject_id, collection_id, purpose, notice_sha256, valid_from_ms, valid_until_ms ON grants
FOR EACH ROW EXECUTE FUNCTION assent_refuse('assent: a grant is never changed, only ended');

CREATE TRIGGER log_leaves_stay BEFORE DELETE OR UPDATE ON log_leaves
FOR EACH ROW EXECUTE FUNCTION assent_refuse('assent: the log is append-only');

CREATE TRIGGER tombstones_stay BEFORE DELETE ON tombstones
FOR EACH ROW EXECUTE FUNCTION assent_refuse('assent: a tombstone stays');
