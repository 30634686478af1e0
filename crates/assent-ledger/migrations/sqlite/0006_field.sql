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

UPDATE vault SET format_version = 6;
