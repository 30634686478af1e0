-- Format 2: crops of faces, for collections that keep them. What is sealed is in docs/formats/vault.md.

ALTER TABLE collections ADD COLUMN keep_crops INTEGER NOT NULL DEFAULT 0 CHECK (keep_crops IN (0, 1));

CREATE TABLE crops (
    face_id      INTEGER PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE,
    photo_id     INTEGER NOT NULL,
    model_sha256 BLOB    NOT NULL,
    sealed       BLOB    NOT NULL
) STRICT;
CREATE INDEX crops_by_photo ON crops (photo_id, model_sha256);

CREATE TRIGGER crops_need_a_collection_that_keeps_them BEFORE INSERT ON crops
WHEN NOT EXISTS (
    SELECT 1 FROM faces f JOIN photos p ON p.id = f.photo_id JOIN collections c ON c.id = p.collection_id
    WHERE f.id = NEW.face_id AND p.id = NEW.photo_id AND c.keep_crops = 1 AND c.others <> 'none')
BEGIN SELECT RAISE(ABORT, 'assent: this collection keeps no crops'); END;

CREATE TRIGGER crops_are_fixed BEFORE UPDATE ON crops
BEGIN SELECT RAISE(ABORT, 'assent: a crop is never changed, only deleted'); END;

UPDATE vault SET format_version = 2;
