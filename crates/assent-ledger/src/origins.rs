//! From where a log goes on after a restore. What came after the backup is lost, so the log that goes on is another one from there:
//! it gets a name and a key of its own. The key before vouches for that, in the entry of the restore, which also says how long
//! the log is known to have been.

use crate::audit::Lost;
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::VaultId;
use crate::log::EventKind;
use crate::note::{Checkpoint, KeyRole, LogKeys, LogSigner, sign_keys};
use crate::secret::Key;
use crate::tx::{ReadTx, Tx};

/// The first line of what the key before vouches for.
const TITLE: &str = "assent log goes on v1";

/// The beginning of a log: that of the vault, or a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogOrigin {
    /// What the name of the log ends in; empty for the vault's first.
    id: String,
    /// How many leaves came from the log before.
    from: u64,
    /// Size and root of the newest checkpoint of the log before that was known.
    newest: Option<(u64, String)>,
    /// What the key before vouches for.
    pub(crate) note: String,
}

/// What a checkpoint was signed for that a restore lost; `None` if nothing was.
pub(crate) fn lost(origins: &[LogOrigin], then: &Checkpoint) -> Option<Lost> {
    let of = origins.iter().position(|origin| then.name.ends_with(&format!("/{}", origin.id)));
    let later = &origins[of.map_or(0, |at| at + 1)..];
    let from = later.iter().map(|origin| origin.from).min()?;
    let said = (then.size, then.root_text());
    (from < then.size).then(|| Lost { from, named: later.iter().any(|origin| origin.newest.as_ref() == Some(&said)) })
}

/// The keys of a log, those that sign.
pub(crate) struct Signers<'a> {
    master: &'a Key,
    vault: VaultId,
}

impl<'a> Signers<'a> {
    pub(crate) fn new(master: &'a Key, vault: VaultId) -> Self {
        Self { master, vault }
    }

    /// Signs checkpoints of the log that began there.
    fn of_origin(&self, id: &str) -> LogSigner {
        let name = if id.is_empty() { format!("assent/{}", self.vault) } else { format!("assent/{}/{id}", self.vault) };
        LogSigner::new(name, self.master.derive("assent log key v1", id.as_bytes()).expose())
    }

    /// The signer of the log that goes by this name; `None` if it is no name of a log of this vault.
    pub(crate) fn by_name(&self, name: &str) -> Option<LogSigner> {
        let rest = name.strip_prefix(&format!("assent/{}", self.vault))?;
        let id = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
        let known = id.is_empty() || (id.len() == ID_DIGITS && id.bytes().all(|b| b.is_ascii_hexdigit()));
        known.then(|| self.of_origin(id))
    }

    pub(crate) fn of_role(&self, role: KeyRole, origins: &[LogOrigin]) -> LogSigner {
        let label = match role {
            KeyRole::Checkpoints => return self.of_origin(origins.last().map_or("", |origin| &origin.id)),
            KeyRole::Certificates => "assent certificates key v1",
            KeyRole::Receipts => "assent receipts key v1",
            KeyRole::Evidence => "assent evidence key v1",
        };
        let name = format!("assent/{}{}", self.vault, role.suffix());
        LogSigner::new(name, self.master.derive(label, &[]).expose())
    }

    fn all(&self, origins: &[LogOrigin]) -> Vec<LogSigner> {
        let logs = std::iter::once("").chain(origins.iter().map(|origin| origin.id.as_str()));
        let roles = [KeyRole::Certificates, KeyRole::Receipts, KeyRole::Evidence];
        logs.map(|id| self.of_origin(id)).chain(roles.map(|role| self.of_role(role, origins))).collect()
    }

    pub(crate) fn public(&self, origins: &[LogOrigin]) -> LogKeys {
        LogKeys::of(&self.all(origins))
    }

    pub(crate) fn sheet(&self, origins: &[LogOrigin]) -> String {
        sign_keys(&self.all(origins))
    }
}

/// The digits of an id.
const ID_DIGITS: usize = 16;

/// What the key before says of the log that goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GoesOn {
    /// The name of the log that goes on.
    pub(crate) name: String,
    /// How many leaves it has from the log before.
    pub(crate) from: u64,
    /// Size and root of the newest checkpoint of the log before that is known.
    pub(crate) newest: Option<(u64, String)>,
}

impl GoesOn {
    fn text(&self) -> String {
        let newest =
            self.newest.as_ref().map_or("newest unknown".to_owned(), |(size, root)| format!("newest {size} {root}"));
        format!("{TITLE}\nlog {}\nfrom {}\n{newest}\n", self.name, self.from)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_prefix(TITLE)?.strip_prefix('\n')?.lines();
        let name = lines.next()?.strip_prefix("log ")?.to_owned();
        let from = lines.next()?.strip_prefix("from ")?.parse().ok()?;
        let newest = match lines.next()?.strip_prefix("newest ")? {
            "unknown" => None,
            said => said.split_once(' ').and_then(|(size, root)| Some((size.parse().ok()?, root.to_owned()))),
        };
        Some(Self { name, from, newest }).filter(|read| read.text() == text)
    }

    /// Reads what stands in the entry of a restore, if these keys vouch for it.
    pub(crate) fn verify(note: &str, keys: &LogKeys) -> Option<Self> {
        Self::parse(keys.verify(KeyRole::Checkpoints, note).ok()?)
    }
}

impl ReadTx<'_> {
    /// From where the log went on, each time, oldest first. A row that its key does not vouch for counts for nothing.
    pub(crate) fn origins(&self, vault: VaultId) -> Result<Vec<LogOrigin>, TxError> {
        let rows = self.rows("SELECT note FROM log_origins ORDER BY number", args![])?;
        let ring = self.ring();
        let signers = Signers::new(ring.master(), vault);
        let mut origins = Vec::new();
        for row in rows {
            let note = row.text(0)?;
            let Some(GoesOn { name, from, newest }) = GoesOn::verify(&note, &signers.public(&origins)) else {
                continue;
            };
            if let Some((_, id)) = name.rsplit_once('/') {
                origins.push(LogOrigin { id: id.to_owned(), from, newest, note });
            }
        }
        Ok(origins)
    }
}

impl Tx<'_> {
    /// The entry of a restore: from here on the log is another one.
    pub(crate) fn go_on(&self, vault: VaultId, from: u64, newest: Option<&Checkpoint>) -> Result<(), TxError> {
        let before = self.origins(vault)?;
        let id = format!("{:016x}", u64::from_be_bytes(self.random()));
        let said = {
            let ring = self.ring();
            let signers = Signers::new(ring.master(), vault);
            let name = signers.of_origin(&id).name().to_owned();
            let newest = newest.map(|newest| (newest.size, newest.root_text()));
            signers.of_role(KeyRole::Checkpoints, &before).sign(&GoesOn { name, from, newest }.text())
        };
        self.exec(
            "INSERT INTO log_origins (number, note) VALUES ($1, $2)",
            args![before.len() as i64 + 1, said.as_str()],
        )?;
        self.append_leaf(EventKind::Restored, said.as_bytes(), &[]).map(drop)
    }
}
