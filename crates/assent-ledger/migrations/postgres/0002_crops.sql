-- Format 2: crops of faces, for collections that keep them. What is sealed is in docs/formats/vault.md.

ALTER TABLE collections ADD COLUMN keep_crops BIGINT NOT NULL DEFAULT 0 CHECK (keep_crops IN (0, 1));

CREATE TABLE crops (
    face_id      BIGINT  PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE,
    photo_id     BIGINT  NOT NULL,
    model_sha256 BYTEA   NOT NULL,
    sealed       BYTEA   NOT NULL
);
CREATE INDEX crops_by_photo ON crops (photo_id, model_sha256);

CREATE FUNCTION assent_crop_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM faces f JOIN photos p ON p.id = f.photo_id JOIN collections c ON c.id = p.collection_id
        WHERE f.id = NEW.face_id AND p.id = NEW.photo_id AND c.keep_crops = 1 AND c.others <> 'none')
    THEN RAISE EXCEPTION 'assent: this collection keeps no crops';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER crops_need_a_collection_that_keeps_them BEFORE INSERT ON crops
FOR EACH ROW EXECUTE FUNCTION assent_crop_rule();

CREATE TRIGGER crops_are_fixed BEFORE UPDATE ON crops
FOR EACH ROW EXECUTE FUNCTION assent_refuse('assent: a crop is never changed, only deleted');

UPDATE vault SET format_version = 2;
