//! Why a command on a vault failed.

use std::io;
use std::path::PathBuf;

use assent::enrol::EnrolError;
use assent::find::PictureError;
use assent::ledger::{
    AgeForm, BackupError, CertificateError, ErasureListError, EvidenceError, ExportError, IdError, JurisdictionForm,
    NoteError, ProofError, ReceiptError, TxError, VocabularyError,
};
use assent::release::ReleaseError;
use assent::scan::ScanError;
use assent::service::collections::CollectionError;
use assent::service::consents::ConsentError;
use assent::service::enrolment::CompleteError;
use assent::service::gallery::GalleryError;
use assent::service::requests::RequestError;
use assent::service::uploads::UploadsError;
use assent::set_apart::SetApartError;
use assent::source::SourceError;
use assent_documents::consent_record::RecordError;
use assent_documents::error::DocumentError;
use assent_documents::json::text;
use assent_documents::problem::{Fields, fields};
use thiserror::Error;

use crate::models_arg::LoadModelsError;
use crate::vault::VaultError;

/// One enum for all commands that work on a vault; `main` prints it with its causes.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Ledger(#[from] TxError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Models(#[from] LoadModelsError),
    #[error(transparent)]
    Inference(#[from] assent::InferenceError),
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    #[error(transparent)]
    Move(#[from] assent::change_models::MoveError),
    #[error(transparent)]
    Complete(#[from] CompleteError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    Collection(#[from] CollectionError),
    #[error(transparent)]
    Uploads(#[from] UploadsError),
    /// Some files were not taken.
    #[error("{files} not uploaded, see above")]
    NotUploaded {
        /// How many, with their noun.
        files: String,
    },
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Word(#[from] VocabularyError),
    #[error(transparent)]
    Jurisdiction(#[from] JurisdictionForm),
    #[error(transparent)]
    Age(#[from] AgeForm),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    #[error(transparent)]
    ErasureList(#[from] ErasureListError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Secret(#[from] crate::passphrase::SecretError),
    /// A name that nothing here has.
    #[error("{says}")]
    NotFound {
        /// The sentence, with the command that shows the names.
        says: String,
    },
    /// A needed option was not given, and there is no terminal to ask at.
    #[error("{flag} is missing; name it, or run the command at a terminal, where it asks")]
    Missing {
        /// The option's name, with its dashes.
        flag: &'static str,
    },
    /// An answer that names nobody.
    #[error("{flag} is empty; somebody has to answer for the vault and be within reach")]
    Nobody {
        /// The option's name, with its dashes.
        flag: &'static str,
    },
    /// There is nobody to compare, or no table to compare with.
    #[error("nothing can be measured: it takes two people who are enrolled, and models with a score-to-FMR table")]
    NothingToCalibrate,
    /// Some enrolments that were signed by both go on waiting.
    #[error("{people} signed by both witnesses still wait, see above; put it right, then: assent enrol --complete")]
    StillWaiting {
        /// How many, with their noun.
        people: String,
    },
    /// A date is not written as a date.
    #[error("'{text}' is not a date; write it as 2027-07-31 or 31.07.2027")]
    Date {
        /// The text that is no date, as the caller gave it.
        text: String,
    },
    /// An organisation's consents are bound to a notice.
    #[error("name the notice that the person was given: --notice FILE (its hash becomes part of the consent)")]
    NoNotice,
    /// A file that is no table.
    #[error(transparent)]
    RosterTable(#[from] crate::roster::TableError),
    /// A table without a column that every row needs.
    #[error("the table {} has no column for {missing}; its columns are: {columns}", path.display())]
    RosterColumns {
        /// The path of the file.
        path: PathBuf,
        /// The words for what is missing.
        missing: String,
        /// The headings that there are.
        columns: String,
    },
    /// Rows of a table that cannot be recorded; each was told.
    #[error("{problems} in the table, see above; nothing was recorded: mend the table and run this again")]
    RosterProblems {
        /// How many, with their noun.
        problems: String,
    },
    /// What was to be handed to a command did not arrive.
    #[error("the command `{command}` did not take the checkpoint; nothing else was changed")]
    Handed {
        /// The command that did not take what it was given.
        command: String,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A representative is not written as one.
    #[error("a representative is written as EU=NAME, ADDRESS (or UK=, CH=): the law, and who stands there for you")]
    Representative,
    /// The folder of a collection is not there.
    #[error(
        "nothing was scanned: is the disk there? If the photos lie elsewhere now: assent collection move {collection} FOLDER"
    )]
    FolderAway {
        /// Its name, as it is typed.
        collection: String,
        /// What the system says.
        #[source]
        source: SourceError,
    },
    /// No collection was named, and there are several, or none.
    #[error("say which collection: assent scan NAME\n{names}")]
    WhichCollection {
        /// All of them, one on a line.
        names: String,
    },
    /// A point in a photo is not written as one.
    #[error("a point is written as X,Y in pixels from the left and the top, such as 420,180")]
    Point,
    /// A face could not be set apart.
    #[error(transparent)]
    SetApart(#[from] SetApartError),
    /// `--self` without a typed statement.
    #[error("--self needs a terminal, at which the owner types the statement themselves")]
    NoStatement,
    /// What was typed is not the statement.
    #[error("that is not the statement; nothing was enrolled")]
    WrongStatement,
    /// Nothing is left to agree to.
    #[error(
        "{who} has agreed already for: {collections}; `assent consent renew` records that they agree again, and a new \
         collection (assent collection add) can be agreed to when it is there"
    )]
    AgreedAlready {
        /// Whom the command names.
        who: String,
        /// For which collections.
        collections: String,
    },
    /// What was typed does not confirm what destroys.
    #[error("nothing was deleted: what was typed is not the word that was asked for")]
    NotConfirmed,
    /// `--uncovered` outside a household.
    #[error("outside households everybody else is covered; there is no role yet that may see them uncovered")]
    Uncovered,
    /// Nothing to withdraw.
    #[error("this person has no consent in force that fits; `assent consent list` shows them")]
    NothingToWithdraw,
    /// A number that nobody's proposal has.
    #[error("number {number} is none of the photos to be confirmed")]
    NotProposed {
        /// The number of the face, as the caller gave it.
        number: i64,
    },
    /// A number that is confirmed and refused.
    #[error("number {number} is confirmed and refused at once, so nothing was kept; say one of the two")]
    BothSaid {
        /// The number of the face, as the caller gave it.
        number: i64,
    },
    /// Nobody is of the class or group that was named.
    #[error(
        "nobody on the roster is of the class or group '{group}'; `assent subject list` shows everybody with theirs"
    )]
    NobodyInGroup {
        /// The group's name, as the caller gave it.
        group: String,
    },
    /// Somebody kept the key that they had.
    #[error("{people} people keep the key that they had, because records of theirs do not open, see above")]
    NotRotated {
        /// The number of people whose keys were not rotated.
        people: usize,
    },
    /// An order names somebody who is not there; nobody was erased.
    #[error("nobody was erased, because these lines of the order name nobody for certain; put them right:\n{lines}")]
    OrderNames {
        /// Each line and why.
        lines: String,
    },
    /// Some of several erasures or certificates are missing.
    #[error("not all is done: {people} not erased, {files} not written, see above; run the same command again")]
    NotAllErased {
        /// How many people, with the noun.
        people: String,
        /// How many files, with the noun.
        files: String,
    },
    /// A key is damaged; which, was printed.
    #[error("keys are damaged, see above")]
    DamagedKeys,
    /// Copies or a page would lie where they must not.
    #[error(transparent)]
    HandOut(#[from] assent::export::HandOutError),
    /// Some photos could not be handed out; they were named.
    #[error(
        "{left} could not be used, see above; the others are done. Put the files back, or scan the collection again, then \
         run this once more"
    )]
    NotAll {
        /// How many, with their noun.
        left: String,
    },
    /// A page under a name that says that it is none.
    #[error("{} would be a web page; give its name the ending .html", path.display())]
    NoPage {
        /// The path of the page, as the caller named it.
        path: PathBuf,
    },
    /// The log does not verify.
    #[error("the log is not whole: entry {position} {what}; keep a copy of the vault and find out who changed it")]
    Audit {
        /// First bad leaf.
        position: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The database was changed.
    #[error(
        "the database was changed by something other than assent: {first}{}; keep a copy of the vault to find out who did it, and \
         restore it from a backup: assent restore",
        if *more == 0 { String::new() } else { format!(" (and {more} more, see above)") }
    )]
    Tampered {
        /// What was found first.
        first: String,
        /// How much more was found.
        more: usize,
    },
    /// A file could not be read or written.
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
    /// A file of another kind would be lost.
    #[error("{} is there already, and it is something else; choose another name, or move it away first", path.display())]
    Other {
        /// The path of the file.
        path: PathBuf,
    },
    /// A certificate under the name of another one.
    #[error("{} is the certificate of somebody else", path.display())]
    OtherCertificate {
        /// The path of the file.
        path: PathBuf,
    },
    /// A page or a file that is handed out could not be made.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A ZIP file could not be read.
    #[error("cannot read the ZIP file")]
    Zip(#[from] zip::result::ZipError),
    /// A ZIP file that says two things at once.
    #[error("{} is not to be trusted: {what}", path.display())]
    EvidenceZip {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// More than evidence may be.
    #[error("{} is more than evidence may be once it is unpacked (1 GiB); hand large files over beside it", path.display())]
    EvidenceTooLarge {
        /// The path of the file.
        path: PathBuf,
    },
    /// The demonstration failed to show what it claims.
    #[error("the demonstration went wrong: {what}")]
    Demo {
        /// What did not hold.
        what: &'static str,
    },
    /// Something is missing; the list was printed.
    #[error("something is missing, see above")]
    Doctor,
    /// The output was closed.
    #[error("cannot write the answer")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// What the ledger refused, where that is the whole of it.
    pub(crate) fn ledger(&self) -> Option<&TxError> {
        match self {
            Self::Ledger(refused)
            | Self::Vault(VaultError::Due(refused))
            | Self::Collection(CollectionError::Ledger(refused))
            | Self::Request(RequestError::Ledger(refused))
            | Self::Uploads(UploadsError::Ledger(refused))
            | Self::Gallery(GalleryError::Ledger(refused))
            | Self::Enrol(EnrolError::Ledger(refused))
            | Self::Complete(CompleteError::Enrol(EnrolError::Ledger(refused)))
            | Self::Scan(ScanError::Ledger(refused)) => Some(refused),
            _ => None,
        }
    }

    /// What it is about, for programs.
    pub(crate) fn fields(&self) -> Fields {
        match self {
            Self::Ledger(refused) | Self::Vault(VaultError::Due(refused)) => fields(refused),
            Self::Vault(VaultError::Open(refused)) => fields(refused),
            Self::Vault(VaultError::Restore(refused)) => fields(refused),
            Self::Source(refused) | Self::FolderAway { source: refused, .. } => fields(refused),
            Self::Enrol(refused) | Self::Complete(CompleteError::Enrol(refused)) => fields(refused),
            Self::Collection(refused) => fields(refused),
            Self::Request(refused) => fields(refused),
            Self::Scan(refused) => fields(refused),
            Self::Picture(refused) => fields(refused),
            Self::Backup(refused) => fields(refused),
            Self::Export(refused) => fields(refused),
            Self::SetApart(refused) => fields(refused),
            Self::HandOut(refused) => fields(refused),
            Self::NotProposed { number } | Self::BothSaid { number } => Fields::from([("number", (*number).into())]),
            Self::Audit { position, .. } => Fields::from([("position", (*position).into())]),
            Self::NotRotated { people } => Fields::from([("people", (*people).into())]),
            Self::NobodyInGroup { group } => Fields::from([("group", group.as_str().into())]),
            Self::Missing { flag } | Self::Nobody { flag } => Fields::from([("option", (*flag).into())]),
            Self::Io { path, .. }
            | Self::Other { path }
            | Self::OtherCertificate { path }
            | Self::NoPage { path }
            | Self::RosterColumns { path, .. }
            | Self::EvidenceZip { path, .. }
            | Self::EvidenceTooLarge { path } => Fields::from([("file", text(path).into())]),
            _ => Fields::new(),
        }
    }

    /// The requirement of the compliance matrix that a refusal keeps, for programs.
    pub(crate) fn requirement(&self) -> Option<&'static str> {
        match self {
            Self::Complete(CompleteError::Changed { .. }) => Some("R4"),
            _ => self.ledger()?.requirement(),
        }
    }
}

impl From<ConsentError> for CommandError {
    fn from(refused: ConsentError) -> Self {
        match refused {
            ConsentError::NothingToWithdraw => Self::NothingToWithdraw,
            ConsentError::Ledger(refused) => refused.into(),
        }
    }
}
