//! Opening the vault that a command works on: its folder, its key ring, the real clock and the system's randomness.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use assent::ledger::{
    Act, Actor, Backup, ClockSource, Database, DbProblem, Ledger, OpenError, Recovered, ReplayedNotes, RestoreError,
    RingSecret, Role, Settings, Timestamp, Tools, TxError, VaultKind, VaultPlace, Via, no_hook,
};
use assent::rulepacks::{RulePackError, rulebook};
use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use thiserror::Error;

use crate::database::{self, DatabaseArgs, DatabaseError};
use crate::files::replace_private;
use crate::output::{ask, count};
use crate::passphrase::{SecretError, SecretProvider};
use crate::places::{self, PlacesError};

/// In the vault's folder: the name of its key ring below the folder of key rings.
const RING_NAME_FILE: &str = "key-ring-name";

/// In the vault's folder: its tables.
const DATABASE_FILE: &str = "assent.db";

pub(crate) use crate::lookup::{
    collection, collection_name, collections, collections_ever, disambiguated, erased, order, people, person, request,
    short, subject, subject_id, witnesses,
};

/// Whoever runs a command.
pub(crate) const OPERATOR: Actor = Actor { role: Role::Operator, via: Via::Terminal };

/// `--vault`, `--key-ring`, and what opens the key ring.
#[derive(Debug, Clone)]
pub(crate) struct VaultFlags {
    pub(crate) vault: Option<PathBuf>,
    pub(crate) key_ring: Option<PathBuf>,
    pub(crate) secret_provider: SecretProvider,
    /// Whether a person at the terminal may be asked whether the date is right.
    pub(crate) ask_about_clock: bool,
    /// Whether they said so already.
    pub(crate) clock_is_right: bool,
}

/// Why a vault could not be opened or made.
#[derive(Debug, Error)]
pub(crate) enum VaultError {
    /// A folder could not be determined.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// Nothing that opens the key ring.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file with the key ring's name.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// A bare verb.
        op: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A backup of a vault whose key ring had a place of its own.
    #[error(
        "the backup in {} does not say where the vault's key ring belongs; name the key ring with --key-ring FILE",
        folder.display()
    )]
    NoRingName {
        /// The folder of the backup.
        folder: PathBuf,
    },
    /// The ledger refused.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no vault in this folder, and one of this name elsewhere.
    #[error("there is no vault at {}, but there is one at {}: name it with --vault", folder.display(), elsewhere.display())]
    Elsewhere {
        /// Where it was looked for.
        folder: PathBuf,
        /// Where there is one.
        elsewhere: PathBuf,
    },
    /// The database that the folder names holds no vault.
    #[error(
        "the database {database} holds no vault, although {} says that its tables are there; is it the right database? If it \
         was lost: assent restore",
        folder.display()
    )]
    EmptyDatabase {
        /// The path of the folder.
        folder: PathBuf,
        /// The database, for people.
        database: String,
    },
    /// The key ring is a copy.
    #[error(
        "{refused}. Work where the vault's key ring is. If it was moved to this place, or every other copy is lost, say so: \
         assent keys adopt"
    )]
    CopiedRing {
        /// What the ledger says.
        refused: OpenError,
    },
    /// Where the tables are.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The vault is another user's.
    #[error(
        "this user may not use the vault at {}: run assent as the user who made it, or name your own with --vault",
        folder.display()
    )]
    NotYours {
        /// The path of the folder.
        folder: PathBuf,
        /// What was refused.
        #[source]
        source: io::Error,
    },
    /// The backup was refused.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The rule packs.
    #[error(transparent)]
    Rules(#[from] RulePackError),
    /// What is due could not be ended.
    #[error(transparent)]
    Due(#[from] TxError),
}

/// The real time.
#[expect(clippy::disallowed_methods, reason = "the binary is the only reader of the clock (I10)")]
pub(crate) fn now() -> Timestamp {
    // A clock before 1970 counts as 1970: nothing is valid then.
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64))
}

/// Whoever runs a command, now: the operator, at a terminal of the machine.
pub(crate) fn act() -> Act {
    Act { by: OPERATOR, at: now() }
}

/// Opens the vault for a question, or for what people ask for. Nothing ends by it.
///
/// # Errors
///
/// [`VaultError`], as the ledger says.
pub(crate) fn open(flags: &VaultFlags) -> Result<Ledger, VaultError> {
    let place = place(flags)?;
    let opened = Ledger::open(&place, tools_for(flags, &place)?, now());
    let ledger = opened.map_err(|refused| explain_open_error(refused, &place))?;
    if let Some(said) = older_ring(&ledger) {
        warn(&said);
    }
    let describe_recovery = describe_recovery(ledger.recovered());
    if !describe_recovery.is_empty() {
        warn(&format!("from the key ring, which knew of it and the vault did not: {}", describe_recovery.join(", ")));
    }
    if flags.clock_is_right {
        ledger.confirm_clock(act())?;
    }
    Ok(ledger)
}

/// From now on the vault is used with the key ring that is here. Returns where that is.
///
/// # Errors
///
/// [`VaultError`], as the ledger says.
pub(crate) fn adopt_ring(flags: &VaultFlags) -> Result<PathBuf, VaultError> {
    let place = place(flags)?;
    let adopted = Ledger::adopt_ring(&place, tools_for(flags, &place)?);
    adopted.map_err(|refused| explain_open_error(refused, &place))?;
    Ok(place.ring)
}

/// Opens the vault as [`open`] does; if its database was changed by something else, to look at it alone.
///
/// # Errors
///
/// As [`open`], without [`OpenError::Tampered`].
pub(crate) fn open_to_look(flags: &VaultFlags) -> Result<Ledger, VaultError> {
    match open(flags) {
        Err(VaultError::Open(OpenError::Tampered { .. })) => {
            let place = place(flags)?;
            Ok(Ledger::inspect(&place, tools_for(flags, &place)?, now())?)
        }
        opened => opened,
    }
}

/// What a person can do about a vault that does not open.
fn explain_open_error(refused: OpenError, place: &VaultPlace) -> VaultError {
    match (refused, &place.database) {
        (OpenError::NoVault { folder }, Database::Sqlite) => no_vault(folder),
        (OpenError::NoVault { folder }, Database::Postgres(database)) => {
            VaultError::EmptyDatabase { folder, database: database.address.to_string() }
        }
        (refused @ OpenError::RingElsewhere { .. }, _) => VaultError::CopiedRing { refused },
        (OpenError::Io { source, .. }, _) if not_yours(&source) => {
            VaultError::NotYours { folder: place.folder.clone(), source }
        }
        (OpenError::Database { source, .. }, Database::Postgres(database))
            if source.problem() == DbProblem::NotLetIn =>
        {
            let given = database.password.is_some();
            DatabaseError::Login { database: database.address.to_string(), given, source }.into()
        }
        (other, _) => other.into(),
    }
}

fn not_yours(source: &io::Error) -> bool {
    matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Whether a folder holds a vault.
fn holds_vault(folder: &Path) -> bool {
    folder.join(DATABASE_FILE).exists() || database::is_recorded(folder)
}

/// There is no vault in a folder; one of the same name may lie beside a folder above it.
fn no_vault(folder: PathBuf) -> VaultError {
    let name = folder.file_name().unwrap_or_default().to_owned();
    let above = folder.ancestors().skip(2).map(|above| above.join(&name));
    let found = above.into_iter().find(|elsewhere| !name.is_empty() && holds_vault(elsewhere));
    match found {
        Some(elsewhere) => VaultError::Elsewhere { folder, elsewhere },
        None => OpenError::NoVault { folder }.into(),
    }
}

/// Refuses to go on where a vault is already: before anybody is asked anything.
///
/// # Errors
///
/// [`OpenError::VaultExists`] inside; as [`open`] where the tables are on a server.
pub(crate) fn refuse_existing(flags: &VaultFlags) -> Result<(), VaultError> {
    let folder = places::vault_dir(flags.vault.as_deref())?;
    let there = match database::of(&folder)? {
        Database::Sqlite => folder.join(DATABASE_FILE).exists(),
        // Making one there may have been interrupted.
        database @ Database::Postgres(_) => {
            let place = VaultPlace { ring: PathBuf::new(), folder: folder.clone(), database };
            Ledger::is_made(&place).map_err(|refused| explain_open_error(refused, &place))?
        }
    };
    if there { Err(OpenError::VaultExists { folder }.into()) } else { Ok(()) }
}

/// Opens the vault for what compares faces, and ends the consents whose date has come. With a clock in doubt a person at the terminal
/// is asked.
///
/// # Errors
///
/// As [`open_with_clock`].
pub(crate) fn open_and_expire(flags: &VaultFlags) -> Result<Ledger, VaultError> {
    let ledger = open_with_clock(flags)?;
    ledger.expire_due(now())?;
    Ok(ledger)
}

/// Opens the vault for what goes by the date. With a clock in doubt a person at the terminal is asked.
///
/// # Errors
///
/// - [`TxError::ClockAhead`], [`TxError::ClockSetBack`] inside if the clock is in doubt, and nobody says that it is right.
/// - As [`open`].
pub(crate) fn open_with_clock(flags: &VaultFlags) -> Result<Ledger, VaultError> {
    let ledger = open(flags)?;
    if let Some(doubt) = ledger.clock(now())? {
        if !(flags.ask_about_clock && confirm_clock_right(&doubt)?) {
            return Err(doubt.into());
        }
        ledger.confirm_clock(act())?;
    }
    Ok(ledger)
}

/// What opening the vault found of a key ring that is an older copy, and did about it.
pub(crate) fn older_ring(ledger: &Ledger) -> Option<String> {
    let found = ledger.recovered();
    if !found.older_ring && found.keys_destroyed == 0 {
        return None;
    }
    let mut said =
        "the key ring is an older copy than the vault; what it has to know is written into it again".to_owned();
    if found.keys_destroyed > 0 {
        said.push_str(", and ");
        said.push_str(&count(found.keys_destroyed, "key"));
        said.push_str(" of people who were erased had to be destroyed in it again");
    }
    said.push_str(
        ". If the newer key ring is still somewhere, put it back in its place: people who were added since have no key in \
         this one. Destroy every other copy from that time",
    );
    Some(said)
}

/// What the key ring knew of and the vault did not, in words.
pub(crate) fn describe_recovery(found: Recovered) -> Vec<String> {
    let ReplayedNotes { restrictions, orders, requests, objections } = found.replayed;
    let all = [
        (found.erased, "person erased", "people erased"),
        (found.withdrawn, "consent withdrawn", "consents withdrawn"),
        (
            restrictions,
            "person whose records may only be kept, or may be used again",
            "people whose records may only be kept, or may be used again",
        ),
        (orders, "order to stop", "orders to stop"),
        (requests, "request", "requests"),
        (objections, "face set apart", "faces set apart"),
    ];
    let there = all.into_iter().filter(|(n, ..)| *n > 0);
    there.map(|(n, one, many)| format!("{n} {}", if n == 1 { one } else { many })).collect()
}

/// Says it if the key ring could not be written: what was asked for counts all the same.
pub(crate) fn warn_of_unwritten_notes(ledger: &Ledger) {
    if ledger.notes_due(now()).is_ok_and(|due| due > 0) {
        warn(
            "done, but the key ring could not be written; is its disk full? Make room there: the next command notes it then. \
             Until it is noted, an old backup of the vault would not know it",
        );
    }
}

/// To whoever runs the program, beside its answer.
fn warn(said: &str) {
    drop(writeln!(io::stderr(), "assent: {said}"));
}

/// Asks at the terminal; without one, nobody says so.
fn confirm_clock_right(doubt: &TxError) -> Result<bool, VaultError> {
    let (TxError::ClockAhead { clock, now, latest } | TxError::ClockSetBack { clock, now, latest }) = doubt else {
        return Ok(false);
    };
    let whose = match clock {
        ClockSource::Caller => "This machine's clock",
        ClockSource::Database => "The clock of the database's server",
    };
    let question = format!(
        "{whose} says {now}, and the newest entry of this vault is of {latest}.\nIs the date right: {now}? [y/N]"
    );
    let io = |source| VaultError::Io { op: "ask at", path: PathBuf::from("the terminal"), source };
    let answer = ask(&question).map_err(io)?.unwrap_or_default();
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Makes the vault.
///
/// # Errors
///
/// [`VaultError`], as the ledger says.
pub(crate) fn create(
    flags: &VaultFlags,
    args: &DatabaseArgs,
    kind: VaultKind,
    settings: &Settings,
) -> Result<(Ledger, VaultPlace), VaultError> {
    let folder = places::vault_dir(flags.vault.as_deref())?;
    let name_file = folder.join(RING_NAME_FILE);
    let known = database::is_recorded(&folder);
    database::choose(args, &folder, |database| {
        if flags.key_ring.is_none() && !name_file.exists() {
            put_ring_name(&folder, &fresh_ring_name(&folder))?;
        }
        let place = VaultPlace { ring: ring(flags, &folder)?, folder: folder.clone(), database };
        match Ledger::create(&place, kind, settings, tools(Vec::new())?, act()) {
            // It is this folder's.
            Err(OpenError::DatabaseTaken { .. }) if known => {
                Err(OpenError::VaultExists { folder: folder.clone() }.into())
            }
            made => Ok((made.map_err(|refused| explain_open_error(refused, &place))?, place)),
        }
    })
}

/// Makes the vault from a backup.
///
/// # Errors
///
/// [`VaultError`], as the ledger says.
pub(crate) fn restore(
    flags: &VaultFlags,
    args: &DatabaseArgs,
    data: &Path,
    ring_copy: Option<&Path>,
    newest: Option<&str>,
) -> Result<(Ledger, VaultPlace), VaultError> {
    let folder = places::vault_dir(flags.vault.as_deref())?;
    let known = database::is_recorded(&folder);
    if places::key_ring(flags.key_ring.as_deref()).is_none() {
        // Before anything else, so that whatever interrupts this, the next try finds the same key ring.
        adopt_ring_name(&folder, data, ring_copy)?;
    }
    database::choose(args, &folder, |database| {
        if database != Database::Sqlite && folder.join(DATABASE_FILE).exists() {
            return Err(OpenError::VaultExists { folder: folder.clone() }.into());
        }
        let place = VaultPlace { ring: ring(flags, &folder)?, folder: folder.clone(), database };
        let rings: Vec<&Path> = [Some(place.ring.as_path()), ring_copy].into_iter().flatten().collect();
        let tools = tools(flags.secret_provider.secrets(&rings)?)?;
        match Ledger::restore(&place, Backup { data, ring: ring_copy, newest }, tools, act()) {
            Err(RestoreError::Open(OpenError::DatabaseTaken { .. })) if known => {
                Err(OpenError::VaultExists { folder: folder.clone() }.into())
            }
            Err(RestoreError::Open(refused)) => Err(explain_open_error(refused, &place)),
            made => Ok((made?, place)),
        }
    })
}

/// The name of the vault's key ring: the one that it has, if that is there still, or else the backup's.
fn adopt_ring_name(folder: &Path, data: &Path, ring_copy: Option<&Path>) -> Result<(), VaultError> {
    if folder.join(RING_NAME_FILE).exists() {
        return Ok(());
    }
    match fs::read_to_string(data.join(RING_NAME_FILE)) {
        Ok(name) => put_ring_name(folder, &name),
        Err(_) if !data.join("assent.db").exists() => Err(RestoreError::NoBackup { folder: data.to_owned() }.into()),
        Err(_) if ring_copy.is_some() => put_ring_name(folder, &fresh_ring_name(folder)),
        Err(_) => Err(VaultError::NoRingName { folder: data.to_owned() }),
    }
}

/// Keeps the name of the vault's key ring with a backup of its data.
///
/// # Errors
///
/// [`VaultError`] if the file cannot be copied.
pub(crate) fn keep_ring_name(flags: &VaultFlags, data: &Path) -> Result<(), VaultError> {
    match fs::read_to_string(places::vault_dir(flags.vault.as_deref())?.join(RING_NAME_FILE)) {
        Ok(name) => put_ring_name(data, &name),
        Err(_) => Ok(()),
    }
}

/// A name that no other vault's key ring has.
fn fresh_ring_name(folder: &Path) -> String {
    let stem = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("{stem}-{:016x}\n", UnwrapErr(SysRng).next_u64())
}

/// Writes the name whole or not at all, for the owner alone.
fn put_ring_name(folder: &Path, name: &str) -> Result<(), VaultError> {
    let path = folder.join(RING_NAME_FILE);
    let io = |op: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| VaultError::Io { op, path, source }
    };
    make_private_folder(folder).map_err(io("make the folder", folder))?;
    replace_private(&path, name).map_err(io("write", &path))
}

/// A folder for its owner alone; one that is there and empty becomes that.
///
/// # Errors
///
/// [`io::Error`] if it cannot be made.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if fs::read_dir(folder)?.next().is_none() {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes a vault at a place that the caller chose.
///
/// # Errors
///
/// As [`Ledger::create`].
pub(crate) fn create_at(place: &VaultPlace, kind: VaultKind, settings: &Settings) -> Result<Ledger, VaultError> {
    Ok(Ledger::create(place, kind, settings, tools(Vec::new())?, act())?)
}

/// Where the vault's folder, its key ring and its tables are.
fn place(flags: &VaultFlags) -> Result<VaultPlace, VaultError> {
    let folder = places::vault_dir(flags.vault.as_deref())?;
    Ok(VaultPlace { ring: ring(flags, &folder)?, database: database::of(&folder)?, folder })
}

fn ring(flags: &VaultFlags, folder: &Path) -> Result<PathBuf, VaultError> {
    if let Some(ring) = places::key_ring(flags.key_ring.as_deref()) {
        return Ok(ring);
    }
    let path = folder.join(RING_NAME_FILE);
    let name = match fs::read_to_string(&path) {
        Ok(name) => name,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(no_vault(folder.to_owned()));
        }
        Err(source) if not_yours(&source) => return Err(VaultError::NotYours { folder: folder.to_owned(), source }),
        Err(source) => return Err(VaultError::Io { op: "read", path, source }),
    };
    // A name, never a way: what lies in the vault's folder must not point to anywhere else.
    let name = Path::new(name.trim()).file_name().unwrap_or_default().to_owned();
    Ok(places::key_rings_dir()?.join(name))
}

/// The tools with what opens the vault's key ring.
fn tools_for(flags: &VaultFlags, place: &VaultPlace) -> Result<Tools, VaultError> {
    tools(flags.secret_provider.secrets(&[&place.ring])?)
}

fn tools(secrets: Vec<RingSecret>) -> Result<Tools, VaultError> {
    Ok(Tools { rng: Box::new(UnwrapErr(SysRng)), hook: no_hook(), secrets, rules: rulebook()? })
}
