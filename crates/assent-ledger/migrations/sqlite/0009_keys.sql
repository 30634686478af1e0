-- Format 9: a key for each consent. What each column means is in docs/formats/vault.md. Records are brought up to date by
-- src/upgrade.rs, which needs keys for it; the format of the vault is 9 when that is done.

-- Through which account an entry of the log was asked for: the opening of the commitment in the entry, sealed under the master
-- key. A member's own account is not noted.
CREATE TABLE log_accounts (
    seq    INTEGER PRIMARY KEY,
    sealed BLOB    NOT NULL
) STRICT;

CREATE TRIGGER log_accounts_stay BEFORE DELETE ON log_accounts
BEGIN SELECT RAISE(ABORT, 'assent: the log is append-only'); END;

CREATE TRIGGER log_accounts_are_fixed BEFORE UPDATE ON log_accounts
BEGIN SELECT RAISE(ABORT, 'assent: the log is append-only'); END;

-- What was changed for those who keep people in memory or work for long, in whatever process. Rows older than a day are cleared,
-- but for the newest.
CREATE TABLE changes (
    seq           INTEGER PRIMARY KEY,
    kind          TEXT    NOT NULL,
    collection_id BLOB,
    grant_id      BLOB,
    made_ms       INTEGER NOT NULL
) STRICT;

-- With which of all files of its keys a vault on a server is used: the number beside that file. In a file of SQLite's it is empty.
CREATE TABLE ring_place (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number BLOB    NOT NULL
) STRICT;

-- A person's face goes with the consent that it was kept under.
ALTER TABLE portraits ADD COLUMN grant_id BLOB;

-- From where the log went on after each restore: what its key before vouches for, as it stands in the entry of the restore.
CREATE TABLE log_origins (
    number INTEGER PRIMARY KEY,
    note   TEXT    NOT NULL
) STRICT;

-- Rows that decide something are bound (docs/formats/vault.md): their MACs, and the sums over all of them.
ALTER TABLE vault ADD COLUMN mac BLOB;
ALTER TABLE collections ADD COLUMN mac BLOB;
ALTER TABLE witnesses ADD COLUMN mac BLOB;
ALTER TABLE notices ADD COLUMN mac BLOB;
ALTER TABLE orders ADD COLUMN mac BLOB;
ALTER TABLE subjects ADD COLUMN mac BLOB;
ALTER TABLE grants ADD COLUMN mac BLOB;
ALTER TABLE refusals ADD COLUMN mac BLOB;
ALTER TABLE requests ADD COLUMN mac BLOB;
ALTER TABLE objections ADD COLUMN mac BLOB;
ALTER TABLE pending_enrolments ADD COLUMN mac BLOB;
ALTER TABLE tombstones ADD COLUMN mac BLOB;
ALTER TABLE erasure_orders ADD COLUMN mac BLOB;
ALTER TABLE used_releases ADD COLUMN mac BLOB;
ALTER TABLE used_portraits ADD COLUMN mac BLOB;
ALTER TABLE photos ADD COLUMN mac BLOB;
ALTER TABLE log_head ADD COLUMN sums BLOB;

-- The MAC of a notice comes after the notice.
DROP TRIGGER notices_are_fixed;
CREATE TRIGGER notices_are_fixed BEFORE UPDATE OF sha256, name, version, language, text, created_ms ON notices
BEGIN SELECT RAISE(ABORT, 'assent: a notice is never changed, a new version is added'); END;
