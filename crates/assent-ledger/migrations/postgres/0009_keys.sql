-- Format 9: a key for each consent. What each column means is in docs/formats/vault.md. Records are brought up to date by
-- src/upgrade.rs, which needs keys for it; the format of the vault is 9 when that is done.

-- Through which account an entry of the log was asked for: the opening of the commitment in the entry, sealed under the master
-- key. A member's own account is not noted.
CREATE TABLE log_accounts (
    seq    BIGINT PRIMARY KEY,
    sealed BYTEA  NOT NULL
);

CREATE TRIGGER log_accounts_stay BEFORE DELETE OR UPDATE ON log_accounts
FOR EACH ROW EXECUTE FUNCTION assent_refuse('assent: the log is append-only');

-- What was changed for those who keep people in memory or work for long, in whatever process. Rows older than a day are cleared,
-- but for the newest.
CREATE TABLE changes (
    seq           BIGINT PRIMARY KEY,
    kind          TEXT   NOT NULL,
    collection_id BYTEA,
    grant_id      BYTEA,
    made_ms       BIGINT NOT NULL
);

-- With which of all files of its keys a vault on a server is used: the number beside that file. In a file of SQLite's it is empty.
CREATE TABLE ring_place (
    one    BIGINT  PRIMARY KEY CHECK (one = 1),
    number BYTEA   NOT NULL
);

-- A person's face goes with the consent that it was kept under.
ALTER TABLE portraits ADD COLUMN grant_id BYTEA;

-- From where the log went on after each restore: what its key before vouches for, as it stands in the entry of the restore.
CREATE TABLE log_origins (
    number BIGINT PRIMARY KEY,
    note   TEXT   NOT NULL
);

-- Rows that decide something are bound (docs/formats/vault.md): their MACs, and the sums over all of them.
ALTER TABLE vault ADD COLUMN mac BYTEA;
ALTER TABLE collections ADD COLUMN mac BYTEA;
ALTER TABLE witnesses ADD COLUMN mac BYTEA;
ALTER TABLE notices ADD COLUMN mac BYTEA;
ALTER TABLE orders ADD COLUMN mac BYTEA;
ALTER TABLE subjects ADD COLUMN mac BYTEA;
ALTER TABLE grants ADD COLUMN mac BYTEA;
ALTER TABLE refusals ADD COLUMN mac BYTEA;
ALTER TABLE requests ADD COLUMN mac BYTEA;
ALTER TABLE objections ADD COLUMN mac BYTEA;
ALTER TABLE pending_enrolments ADD COLUMN mac BYTEA;
ALTER TABLE tombstones ADD COLUMN mac BYTEA;
ALTER TABLE erasure_orders ADD COLUMN mac BYTEA;
ALTER TABLE used_releases ADD COLUMN mac BYTEA;
ALTER TABLE used_portraits ADD COLUMN mac BYTEA;
ALTER TABLE photos ADD COLUMN mac BYTEA;
ALTER TABLE log_head ADD COLUMN sums BYTEA;

-- The MAC of a notice comes after the notice.
DROP TRIGGER notices_are_fixed ON notices;
CREATE TRIGGER notices_are_fixed BEFORE DELETE OR UPDATE OF sha256, name, version, language, text, created_ms ON notices
FOR EACH ROW EXECUTE FUNCTION assent_refuse('assent: a notice is never changed, a new version is added');
