-- Format 6: what people decided hangs on the picture and a place in it, not on the file. What is sealed is in
-- docs/formats/vault.md.

ALTER TABLE photos ADD COLUMN picture_tag BYTEA;
ALTER TABLE photos ADD COLUMN orientation BIGINT CHECK (orientation BETWEEN 1 AND 8);
ALTER TABLE photos ADD COLUMN changed_ms BIGINT;
CREATE INDEX photos_by_picture ON photos (collection_id, picture_tag);

ALTER TABLE vault ADD COLUMN ring_slots BIGINT;
CREATE TABLE ring_notes_due (
    kind TEXT  NOT NULL,
    id   BYTEA NOT NULL
);

-- Which pictures served to enrol whom: one picture enrols one person. A face of each, for whoever decides.
CREATE TABLE used_portraits (
    tag        BYTEA PRIMARY KEY,
    subject_id BYTEA NOT NULL REFERENCES subjects (id)
);
CREATE TABLE portraits (
    subject_id BYTEA PRIMARY KEY REFERENCES subjects (id),
    sealed     BYTEA NOT NULL
);
CREATE INDEX used_portraits_by_subject ON used_portraits (subject_id);


-- The newest time that was taken for right. NULL in a vault of an older format: then it is the time of the newest leaf.
ALTER TABLE log_head ADD COLUMN newest_ms BIGINT;

-- Whom an order to erase names, line by line, under a keyed hash of the whole list: names cannot be asked for any more when their people are erased.
CREATE TABLE erasure_orders (
    tag        BYTEA   NOT NULL,
    line       BIGINT  NOT NULL,
    subject_id BYTEA   NOT NULL,
    PRIMARY KEY (tag, line)
);

ALTER TABLE photos ADD COLUMN searched_side_px BIGINT CHECK (searched_side_px >= 0);
ALTER TABLE photos ADD COLUMN searched_any_way_up BIGINT CHECK (searched_any_way_up IN (0, 1));
ALTER TABLE photos ADD COLUMN searched_exhaustive BIGINT CHECK (searched_exhaustive IN (0, 1));

-- What people decided, and what was set apart, hangs on a picture and a place in it.
ALTER TABLE objections ADD COLUMN picture_tag BYTEA;
ALTER TABLE objections ADD COLUMN quarter_turn BIGINT NOT NULL DEFAULT 0 CHECK (quarter_turn BETWEEN 0 AND 3);
CREATE INDEX objections_by_picture ON objections (collection_id, picture_tag);

CREATE TABLE decisions_of_pictures (
    collection_id BYTEA    NOT NULL REFERENCES collections (id),
    pseudonym     BYTEA    NOT NULL,
    face_id       BIGINT NOT NULL,
    picture_tag   BYTEA,
    content_tag   BYTEA    NOT NULL,
    x             DOUBLE PRECISION    NOT NULL,
    y             DOUBLE PRECISION    NOT NULL,
    w             DOUBLE PRECISION    NOT NULL,
    h             DOUBLE PRECISION    NOT NULL,
    quarter_turn  BIGINT NOT NULL CHECK (quarter_turn BETWEEN 0 AND 3),
    sealed        BYTEA    NOT NULL,
    PRIMARY KEY (collection_id, pseudonym, face_id)
);
INSERT INTO decisions_of_pictures (collection_id, pseudonym, face_id, content_tag, x, y, w, h, quarter_turn, sealed)
SELECT d.collection_id, d.pseudonym, d.face_id, p.content_tag, f.x, f.y, f.w, f.h, f.quarter_turn, d.sealed
FROM decisions d JOIN faces f ON f.id = d.face_id JOIN photos p ON p.id = f.photo_id;
DROP TABLE decisions;
ALTER TABLE decisions_of_pictures RENAME TO decisions;
CREATE INDEX decisions_by_picture ON decisions (collection_id, picture_tag);
CREATE INDEX decisions_by_content ON decisions (collection_id, content_tag);

-- Photos whose files are missing, when photos were taken, and collections that were removed.
ALTER TABLE photos ADD COLUMN missing_ms BIGINT;
ALTER TABLE photos ADD COLUMN taken_ms BIGINT;
ALTER TABLE photos ADD COLUMN taken_offset_min BIGINT;
ALTER TABLE photos ADD COLUMN taken_from TEXT CHECK (taken_from IN ('exif', 'file'));
CREATE INDEX photos_missing ON photos (collection_id, missing_ms) WHERE missing_ms IS NOT NULL;
ALTER TABLE collections ADD COLUMN removed_ms BIGINT;

UPDATE vault SET format_version = 6;
