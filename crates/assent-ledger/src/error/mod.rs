//! Why something was refused. One enum for opening a vault, one for what happens inside a transaction.
//!
//! Messages name files, ids in short form and numbers; never a person, a key or a template. They are deliberately not
//! `#[non_exhaustive]`: whoever turns them into exit codes or statuses matches them all.

mod open;

use std::path::PathBuf;

use crate::bound::Tampering;
use crate::db::{ClockSource, DbError, DbProblem};
use crate::id::{CollectionId, FaceId, GrantId, JobId, OrderId, PendingId, PhotoId, RequestId, SubjectId, WitnessId};
use crate::keyring::KeyRingError;
use crate::leases::LeaseName;
use crate::names::NameError;
use crate::rules::RuleError;
use crate::seal::SealError;

pub use open::OpenError;

/// Why something in a transaction was refused. Nothing of the transaction was kept, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum TxError {
    /// The database refused. Nothing of the transaction was kept; what was committed before stays.
    #[error("{}", refusal(.0))]
    Database(#[source] DbError),
    /// The person's rows are gone, and their key or the last leaf is still to come.
    #[error(
        "they are erased here, and nothing of them can be found any more; what comes last, destroying their key and noting \
         that it is done, did not work yet, and the next command does it"
    )]
    ErasureUnfinished(#[source] Box<TxError>),
    /// The commit was sent and its answer lost: it may have happened.
    #[error(
        "whether \"{transaction}\" was kept is not known, because the database stopped answering; open the vault again and look"
    )]
    CommitUnknown {
        /// The name given to `run_tx`.
        transaction: &'static str,
        /// The error of the database.
        source: DbError,
    },
    /// Meanwhile another copy of the key ring was made the vault's.
    #[error(
        "somebody said at another place that the key ring there is this vault's from now on; the one here is a copy, and \
         nothing more is done with it"
    )]
    RingElsewhere,
    /// The key ring refused.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// A sealed record did not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A value is not what the format says.
    #[error("a record of {table} is not of this format; restore the vault from a backup")]
    Damaged {
        /// The name of the database table.
        table: &'static str,
    },
    /// The database is not as the vault's transactions left it: somebody without the keys changed it.
    #[error("the database was changed by something other than assent: {0}. Nothing was done")]
    Tampered(Tampering),
    /// The database said nothing and changed other rows than it was told to.
    #[error(
        "the database did not keep a change of {row}, and said nothing; something in it works against assent, so \
         nothing was done"
    )]
    NotKept {
        /// What the row is, in everyday words.
        row: &'static str,
    },
    /// The log ends before this position.
    #[error("the log has no leaf {position}")]
    NoLeaf {
        /// The position in the log, from 0.
        position: u64,
    },
    /// A leaf is longer than the files of a log can hold.
    #[error("this concerns too many people at once for one leaf of the log; do it in smaller parts")]
    LeafTooLong,
    /// There is no complete erasure to certify.
    #[error("nobody with this id was erased here; erase them first")]
    NotErased {
        /// Who was named.
        subject: SubjectId,
    },
    /// A transaction was begun inside another.
    #[error("a transaction was begun inside another one; end the outer one first")]
    Nested,
    /// The tables are of another format than this program's.
    #[error(
        "another version of the program brought the vault up to date meanwhile; start this one again, or a newer one"
    )]
    OtherFormat,
    /// Another process does what only one does at a time.
    #[error("another program is {name}; wait until it is done, or stop it, and try again")]
    Leased {
        /// What it does.
        name: LeaseName,
    },
    /// A job runs under the lease that another one needs.
    #[error(
        "another program is {name} already{}; wait until it is done, or stop it",
        if *total == 0 { String::new() } else { format!(" ({done} of {total} done)") }
    )]
    JobRuns {
        /// Its number.
        job: JobId,
        /// What it does.
        name: LeaseName,
        /// How much is done.
        done: u64,
        /// How much there is to do; 0 while that is not known.
        total: u64,
    },
    /// There is no record of a job with this number.
    #[error("there is no job {job}")]
    NoJob {
        /// The number.
        job: JobId,
    },
    /// The job does not run.
    #[error("job {job} does not run any more; nothing was stopped")]
    JobEnded {
        /// The number.
        job: JobId,
    },
    /// Another process took over what this one did.
    #[error("another program took over {name}, because this one was not heard of for too long; what was kept stays")]
    LeaseLost {
        /// What it does now.
        name: LeaseName,
    },
    /// The file that stands for a lease.
    #[error("cannot lock a file in {}", folder.display())]
    LeaseFile {
        /// Where.
        folder: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Others have the vault open.
    #[error(
        "other programs have this vault open, and its keys are locked anew only while none has; try again when they are done"
    )]
    InUse,
    /// No such collection.
    #[error("there is no such collection")]
    NoCollection {
        /// The id of the collection.
        collection: CollectionId,
    },
    /// No subject answers to the reference.
    #[error("nobody here is called that")]
    NoSubject,
    /// No subject answers to the reference, of those whose names can be read.
    #[error(
        "nobody here is called that, of those whose names can be read; the keys of {people} of the people here are \
         damaged, and their names with them"
    )]
    NobodyReadable {
        /// How many have names that cannot be read.
        people: usize,
    },
    /// Several subjects answer to the reference.
    #[error("{count} people here are called that")]
    AmbiguousSubject {
        /// The number of subjects that the text may mean.
        count: usize,
    },
    /// No such grant.
    #[error("there is no such consent")]
    NoGrant {
        /// The id of the grant.
        grant: GrantId,
    },
    /// No such witness.
    #[error("there is no such witness")]
    NoWitness {
        /// The id of the witness.
        witness: WitnessId,
    },
    /// No such photo.
    #[error("there is no photo {photo} in this collection; scan the collection again")]
    NoPhoto {
        /// The id of the photo.
        photo: PhotoId,
    },
    /// The face is not one of this photo or collection.
    #[error("there is no face {face} there; scan the collection again")]
    NoFace {
        /// The id of the face.
        face: FaceId,
    },
    /// The name is taken by another collection.
    #[error("a collection has this name already; choose another name")]
    CollectionExists,
    /// The name could not be a folder's, so that nothing could be exported under it.
    #[error("a collection cannot have this name: {0}; choose another name, such as: summer 2019")]
    CollectionName(NameError),
    /// A name or a contact would be more than a line of text.
    #[error("names and contacts are one line of text; this one contains a line break or another control character")]
    NotOneLine,
    /// A collection that is asked about is not removed.
    #[error("a request about this collection is not answered yet, and the answer needs what is held")]
    RequestsOpen {
        /// The number of requests that are open.
        count: u64,
    },
    /// The collection was frozen.
    #[error("this collection is frozen: nothing new is stored or looked for in it")]
    Frozen {
        /// The id of the collection.
        collection: CollectionId,
    },
    /// An order to stop is in force.
    #[error("an order to stop is in force here")]
    Stopped {
        /// The id of the order.
        order: OrderId,
    },
    /// An order without a reason.
    #[error("an order to stop needs a reason: whoever finds things stopped has to know why")]
    NoReason,
    /// There is no such order in force.
    #[error("this order is not in force")]
    NoOrder {
        /// Which was named.
        order: OrderId,
    },
    /// The collection's basis is `none`.
    #[error(
        "faces in this collection may not be compared, because it gives no reason why the other people in it may be \
         looked at"
    )]
    NoBasis {
        /// The id of the collection.
        collection: CollectionId,
    },
    /// Matching runs on a subject's own request alone.
    #[error("this collection is searched only when someone asks")]
    OnRequest {
        /// The id of the collection.
        collection: CollectionId,
    },
    /// The request asks for no search here.
    #[error("this request does not ask for a search in this collection by somebody who is enrolled")]
    NotAsked {
        /// Which was named.
        request: RequestId,
    },
    /// The basis of a household outside one.
    #[error(
        "only a household vault has collections of a household; say why the others may be looked at: closed-group, research:REF, law:REF or none"
    )]
    OthersOfKind,
    /// A statement about a collection is not one.
    #[error(
        "say where the impact assessment is found (three characters at least), and a review that is after its date"
    )]
    BasisForm,
    /// A statement says nothing.
    #[error("write the statement in words that somebody else understands; a letter is no reason")]
    NoStatement,
    /// A rule pack forbids the step.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The notice is none of the vault's.
    #[error("the notice is not one of this vault's")]
    NoNotice,
    /// The notice is not one.
    #[error("a notice needs a name, a language tag such as en, and a text")]
    NoticeForm,
    /// A notice with something left to fill in.
    #[error("the notice is not filled in yet: [{part}]. Replace every text in square brackets, then try again")]
    NoticeUnfilled {
        /// The first of what is left.
        part: String,
    },
    /// The same text is there under another name.
    #[error("this text is a notice already, under another name or in another language")]
    NoticeTaken,
    /// There is nothing to renew.
    #[error("this person has no such consent in force to renew")]
    NothingToRenew,
    /// A grant can be renewed by its own subject, collection and purpose alone.
    #[error("a consent is renewed for the same person, collection and purpose; a new purpose needs a new consent")]
    OtherRenewal,
    /// What is held of the person may only be kept.
    #[error("what is held about this person is set apart at their request: it is kept and not used")]
    Restricted {
        /// The id of the subject.
        subject: SubjectId,
    },
    /// The clock is far ahead of the newest entry of the log.
    #[error(
        "{} says {now}, and the newest entry of this vault is of {latest}; nothing was ended, deleted or compared, \
         so that a wrong clock does no harm",
        clock_of(*clock)
    )]
    ClockAhead {
        /// Which clock.
        clock: ClockSource,
        /// The day that the clock says.
        now: String,
        /// The day of the newest entry.
        latest: String,
    },
    /// The clock was set back.
    #[error(
        "{} says {now}, and the newest entry of this vault is of {latest}, which is later; nothing was ended, \
         deleted or compared, so that a wrong clock dodges no date",
        clock_of(*clock)
    )]
    ClockSetBack {
        /// Which clock.
        clock: ClockSource,
        /// The day that the clock says.
        now: String,
        /// The day of the newest entry.
        latest: String,
    },
    /// A request is past due.
    #[error(
        "a request is overdue by {}, so nothing new is enrolled or scanned",
        days_of(*.days)
    )]
    Overdue {
        /// The id of the request.
        request: RequestId,
        /// How many days, the first counted as one.
        days: i64,
    },
    /// There is no such request.
    #[error("there is no such request")]
    NoRequest {
        /// Which was named.
        request: RequestId,
    },
    /// The request is not where the step begins.
    #[error("this request was answered already, or this step does not come next")]
    RequestStep {
        /// The id of the request.
        request: RequestId,
    },
    /// A search without a place.
    #[error("say in which collection to search")]
    SearchNowhere,
    /// The dates of a request do not fit.
    #[error("a request cannot come later than now, nor be due before it came or later than the law says")]
    RequestDates,
    /// The law knows no extension.
    #[error("the law that applies here does not allow more time for this answer")]
    NoExtension,
    /// The law does not let the time stand still.
    #[error("the law that applies here does not pause the deadline while you wait for a reply")]
    NoPause,
    /// The collection was not declared to keep crops.
    #[error("this collection keeps no crops")]
    NoCrops {
        /// The id of the collection.
        collection: CollectionId,
    },
    /// The handle is taken by another subject.
    #[error("somebody has this short name already; choose another one")]
    HandleTaken,
    /// The handle is empty, or not to be told from an id.
    #[error(
        "this cannot be a short name: it needs 1 to 100 characters, none of them a control character, and must not look like \
         the number of a person"
    )]
    HandleForm,
    /// The vault has an owner already, or is an organisation's.
    #[error("only a household vault has an owner, and only one")]
    Owner,
    /// A household holds 25 subjects at most.
    #[error("a household vault holds at most 25 people; a larger group needs a vault of an organisation")]
    HouseholdFull,
    /// A household knows one purpose.
    #[error(
        "a household vault knows the purpose find-my-photos alone; another purpose needs a vault of an organisation"
    )]
    HouseholdPurpose,
    /// The evidence lacks witnesses.
    #[error("this form needs {} different {}; you named {}", number(*.needed), if *.needed == 1 { "witness" } else { "witnesses" }, number(*.given))]
    Witnesses {
        /// How many are needed.
        needed: usize,
        /// How many distinct ones were given.
        given: usize,
    },
    /// A witness without a key cannot sign.
    #[error("this witness has no passphrase to sign with yet")]
    NoWitnessKey {
        /// The id of the witness.
        witness: WitnessId,
    },
    /// A witness keeps the key that they have.
    #[error("this witness has a passphrase already; another person is registered under another name")]
    WitnessHasKey {
        /// The id of the witness.
        witness: WitnessId,
    },
    /// The passphrase does not open the witness's key.
    #[error("this is not the witness's passphrase; nothing was signed")]
    WitnessPassphrase {
        /// The id of the witness.
        witness: WitnessId,
    },
    /// Argon2 needs memory.
    #[error("a passphrase takes 64 MiB of memory to become a key, and this machine has not so much free")]
    NoMemoryForKey,
    /// The signature of a witness is missing.
    #[error("a witness has not signed yet")]
    NotSigned {
        /// The id of the witness.
        witness: WitnessId,
    },
    /// A witness signs once.
    #[error("this witness has signed this already; the other witness signs, too")]
    SignedTwice {
        /// The id of the witness.
        witness: WitnessId,
    },
    /// The consent is none of those that the witnesses signed.
    #[error("this consent is for another collection or purpose than the witnesses signed; record it again")]
    OtherStatement,
    /// A signature does not fit: the key is another's, or what was signed was changed.
    #[error("the signature of a witness does not fit what is recorded; record it again")]
    WrongSignature {
        /// The id of the witness whose signature does not hold.
        witness: WitnessId,
    },
    /// There is nothing to sign.
    #[error("nothing waits for this witness")]
    NothingToSign {
        /// The id of the witness.
        witness: WitnessId,
    },
    /// Somebody else witnesses this.
    #[error("this enrolment names other witnesses")]
    OtherWitness {
        /// The id of the enrolment that waits.
        pending: PendingId,
        /// Who was to sign.
        witness: WitnessId,
    },
    /// No such enrolment waits.
    #[error("this enrolment does not wait for witnesses; it is complete or was cancelled")]
    NoPending {
        /// The id of the enrolment that waits.
        pending: PendingId,
    },
    /// The same consent waits already.
    #[error("this person is already recorded for this collection and purpose, and waits for the witnesses' signatures")]
    PendingExists {
        /// The id of the enrolment that waits.
        pending: PendingId,
    },
    /// A picture or a form is too long to be kept until the witnesses have signed.
    #[error(
        "a picture or a form that waits for its witnesses may be {} MB long at most; save it smaller",
        crate::tx::WAITING_FILE_BYTES_MAX / (1 << 20)
    )]
    WaitingFileTooLarge,
    /// A picture or a form that waits is not in the vault as it was handed in.
    #[error(
        "a picture or a form that waits for its witnesses is not in the vault as it was handed in; restore the vault from \
         a backup, or withdraw the form and record it again"
    )]
    WaitingFile,
    /// A file that is to wait is not the one that was announced.
    #[error("a picture or the signed form is not the file that was checked before; record it again")]
    OtherFile,
    /// A statement of one's own counts only for a household's owner.
    #[error("only the owner of a household vault enrols by typing a statement; everybody else signs a form")]
    SelfStatement,
    /// The release file was used before.
    #[error("this form was used before; every person signs a form of their own, and each form is used once")]
    ReleaseUsed,
    /// A picture was used to enrol somebody else.
    #[error("this picture was used to enrol somebody else; every person needs a picture of their own")]
    PortraitOfAnother,
    /// The validity is empty or already over.
    #[error("the consent would end before it begins or is over already; give a later end")]
    Validity,
    /// The record would say that the consent held before it was recorded.
    #[error("a consent is valid from when it is recorded; it cannot begin in the past")]
    Backdated,
    /// There is an active grant for the same subject, collection and purpose.
    #[error("this person has a consent for this collection and purpose already; withdraw or renew that one")]
    GrantExists,
    /// The grant is not in force now.
    #[error("this consent is not in force; ask the person for a new one")]
    NotActive {
        /// The id of the grant.
        grant: GrantId,
    },
    /// The grant is for another purpose than the step needs.
    #[error("this consent is for another purpose; this step needs find-my-photos")]
    OtherPurpose {
        /// The id of the grant.
        grant: GrantId,
    },
    /// The grant is for another collection than the photo.
    #[error("this consent is for another collection than the photo")]
    OtherCollection {
        /// The id of the grant.
        grant: GrantId,
    },
    /// A face or a subject occurs twice among the sightings of a photo.
    #[error("the sightings of photo {photo} name a face or a subject twice; a face is one person, a person one face")]
    Twice {
        /// The id of the photo.
        photo: PhotoId,
    },
    /// A person may decide only what was proposed.
    #[error("number {face} is not one of this person's proposals")]
    NotProposed {
        /// The id of the face.
        face: FaceId,
    },
    /// The subject was erased.
    #[error("this person was erased; an erased id never comes back")]
    Erased {
        /// The id of the subject.
        subject: SubjectId,
    },
}

/// A number in a sentence.
fn number(n: usize) -> String {
    match n {
        0 => "none".to_owned(),
        1 => "one".to_owned(),
        2 => "two".to_owned(),
        n => n.to_string(),
    }
}

fn days_of(days: i64) -> String {
    if days == 1 { "a day".to_owned() } else { format!("{days} days") }
}

/// What to do about what the database said.
fn refusal(cause: &DbError) -> String {
    match cause.problem() {
        DbProblem::NoSpace => DbProblem::NoSpace.to_string(),
        DbProblem::Other => "the database refused a step, and nothing of that step was kept; try again".to_owned(),
        problem => format!("{problem}. Nothing of this step was kept"),
    }
}

fn clock_of(clock: ClockSource) -> &'static str {
    match clock {
        ClockSource::Caller => "this machine's clock",
        ClockSource::Database => "the clock of the database's server",
    }
}

impl From<DbError> for TxError {
    fn from(cause: DbError) -> Self {
        Self::Database(cause)
    }
}
