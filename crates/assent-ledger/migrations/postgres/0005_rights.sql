-- Format 5: notices, refusals, requests and objections; consents that renew others; enrolments that wait for their
-- witnesses; people and jurisdictions for whom everything stands still. What is sealed is in docs/formats/vault.md.

CREATE TABLE notices (
    sha256     BYTEA    PRIMARY KEY,
    name       TEXT    NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0),
    language   TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    created_ms BIGINT NOT NULL,
    UNIQUE (name, language, version)
);

CREATE TABLE refusals (
    id            BYTEA    PRIMARY KEY,
    subject_id    BYTEA    NOT NULL REFERENCES subjects (id),
    collection_id BYTEA    NOT NULL REFERENCES collections (id),
    purpose       TEXT    NOT NULL,
    notice_sha256 BYTEA    NOT NULL,
    created_ms    BIGINT NOT NULL
);
CREATE INDEX refusals_by_subject ON refusals (subject_id);

CREATE TABLE requests (
    id            BYTEA    PRIMARY KEY,
    kind          TEXT    NOT NULL,
    subject_id    BYTEA    REFERENCES subjects (id),
    collection_id BYTEA    REFERENCES collections (id),
    sealed        BYTEA,
    received_ms   BIGINT NOT NULL,
    due_ms        BIGINT NOT NULL CHECK (due_ms > received_ms),
    first_due_ms  BIGINT NOT NULL,
    paused_ms     BIGINT,
    answered_ms   BIGINT,
    outcome       TEXT    CHECK ((outcome IS NOT NULL) = (answered_ms IS NOT NULL))
);
CREATE INDEX requests_by_subject ON requests (subject_id);

CREATE TABLE objections (
    id            BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id BYTEA    NOT NULL REFERENCES collections (id),
    content_tag   BYTEA    NOT NULL,
    x             DOUBLE PRECISION    NOT NULL,
    y             DOUBLE PRECISION    NOT NULL,
    w             DOUBLE PRECISION    NOT NULL,
    h             DOUBLE PRECISION    NOT NULL,
    created_ms    BIGINT NOT NULL
);
CREATE INDEX objections_by_content ON objections (collection_id, content_tag);

CREATE TABLE pending_enrolments (
    id             BYTEA    PRIMARY KEY,
    subject_id     BYTEA    NOT NULL REFERENCES subjects (id),
    valid_until_ms BIGINT NOT NULL,
    sealed         BYTEA    NOT NULL,
    created_ms     BIGINT NOT NULL
);
CREATE INDEX pending_enrolments_by_subject ON pending_enrolments (subject_id);

ALTER TABLE grants ADD COLUMN renews BYTEA;
ALTER TABLE orders ADD COLUMN jurisdiction TEXT;
ALTER TABLE subjects ADD COLUMN restricted_ms BIGINT;
CREATE INDEX subjects_restricted ON subjects (id) WHERE restricted_ms IS NOT NULL;

CREATE TRIGGER grants_renew_for_good BEFORE UPDATE OF renews ON grants
FOR EACH ROW EXECUTE FUNCTION assent_refuse('assent: a grant is never changed, only ended');

CREATE TRIGGER notices_are_fixed BEFORE DELETE OR UPDATE ON notices
FOR EACH ROW EXECUTE FUNCTION assent_refuse('assent: a notice is never changed, a new version is added');

UPDATE vault SET format_version = 5;
