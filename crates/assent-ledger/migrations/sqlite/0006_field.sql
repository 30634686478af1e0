-- Format 6: a photo is known by what it shows. What each column means is in docs/formats/vault.md.

ALTER TABLE photos ADD COLUMN picture_tag BLOB;
ALTER TABLE photos ADD COLUMN orientation INTEGER CHECK (orientation BETWEEN 1 AND 8);
ALTER TABLE photos ADD COLUMN changed_ms INTEGER;
CREATE INDEX photos_by_picture ON photos (collection_id, picture_tag);

ALTER TABLE vault ADD COLUMN ring_slots INTEGER;
CREATE TABLE ring_notes_due (
    kind TEXT NOT NULL,
    id   BLOB NOT NULL
) STRICT;

-- Which pictures served to enrol whom: one picture enrols one person. A face of each, for whoever decides.
CREATE TABLE used_portraits (
    tag        BLOB PRIMARY KEY,
    subject_id BLOB NOT NULL REFERENCES subjects (id)
) STRICT, WITHOUT ROWID;
CREATE TABLE portraits (
    subject_id BLOB PRIMARY KEY REFERENCES subjects (id),
    sealed     BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_portraits_by_subject ON used_portraits (subject_id);

-- The newest time that was taken for right. NULL in a vault of an older format: then it is the time of the newest leaf.
ALTER TABLE log_head ADD COLUMN newest_ms INTEGER;

-- Whom an order to erase names, line by line, under a keyed hash of the whole list: names cannot be asked for any more when their people are erased.
CREATE TABLE erasure_orders (
    tag        BLOB    NOT NULL,
    line       INTEGER NOT NULL,
    subject_id BLOB    NOT NULL,
    PRIMARY KEY (tag, line)
) STRICT, WITHOUT ROWID;

ALTER TABLE photos ADD COLUMN searched_side_px INTEGER CHECK (searched_side_px >= 0);
ALTER TABLE photos ADD COLUMN searched_any_way_up INTEGER CHECK (searched_any_way_up IN (0, 1));
ALTER TABLE photos ADD COLUMN searched_exhaustive INTEGER CHECK (searched_exhaustive IN (0, 1));

UPDATE vault SET format_version = 6;
