//! What to do next about an error. The crates below say what happened, under a code, and name no command; the command for
//! each code stands here.

use std::error::Error;
use std::iter;

use assent::ledger::{
    BackupError, CertificateError, EvidenceError, ExportError, KeyRingError, NoteError, OpenError, ProofError,
    RestoreError, RuleError, SealError, TxError,
};
use assent::packs::PackError;
use assent::service::rosters::Refused;

use crate::CliError;
use crate::error::CommandError;
use crate::evaluate_cmd::EvaluateCmdError;
use crate::models_arg::LoadModelsError;
use crate::output::quoted;
use crate::vault::{VaultError, short};

/// What to do next, by an error's code. Small letters go on in the sentence of the error, capitals begin another.
/// `{request}`, `{law}`, `{licence}` and `{job}` stand for what the error is about.
const NEXT: &[(&str, &str)] = &[
    // The vault and its key ring.
    ("no-vault", "If it lies elsewhere, name its whole path with --vault; a new one is made with: assent init"),
    ("vault-exists", "`assent doctor` says what it needs. For a second one, name another folder with --vault"),
    ("half-restored", "run the same `assent restore` again, or remove the folder"),
    (
        "other-keys",
        "use a backup of the data and one of the key ring from the same time: assent restore --from DIR --key-ring-from FILE",
    ),
    ("tampered", "`assent audit verify` says all of it. Restore the vault from a backup: assent restore"),
    ("not-kept", "`assent doctor` looks for it"),
    ("key-ring-missing", "put the vault's key ring there or name its place with --key-ring"),
    (
        "passphrase-missing",
        "name the file that holds it (--passphrase-file or ASSENT_PASSPHRASE_FILE), or run the command at a terminal",
    ),
    ("data-key-missing", "name the command that unwraps it: --key-command or ASSENT_KEY_COMMAND"),
    ("key-damaged", "`assent doctor` says what can be done"),
    ("key-missing", "`assent doctor` says what can be done"),
    ("consent-key-missing", "`assent doctor` says what can be done"),
    ("clock-ahead", CLOCK),
    ("clock-set-back", CLOCK),
    // The log.
    ("no-leaf", "`assent audit show` lists those that it has"),
    ("note-key", "`assent audit key` prints one, on one line"),
    // People, consents, witnesses.
    ("no-subject", "list everybody with: assent subject list"),
    ("nobody-readable", "`assent doctor` lists them, each with a number that stands for the name"),
    ("ambiguous-subject", "say which by the word in front: assent subject list"),
    ("restricted", "`assent subject restrict NAME --lift` ends that"),
    ("owner-not-allowed", "add this person without --self"),
    ("age-unknown", "say it with: assent subject set SUBJECT --born 2011-04 (or adult)"),
    ("parent-missing", "say who signed with --signed-by both or parent"),
    (
        "no-representative",
        "Say where: assent subject set NAME --jurisdiction CODE. If they do live under the law of {law}, you need a \
         representative there: assent controller set --representative \"{law}=NAME, ADDRESS\"",
    ),
    ("no-grant", "list them with: assent consent list NAME"),
    ("nothing-to-renew", "a new one is recorded by: assent enrol"),
    ("consent-too-long", "give an earlier end with --expires"),
    ("pending-exists", "To cancel it: assent consent withdraw NAME"),
    ("self-statement", "leave --self away, and name the form with --release FILE"),
    ("no-notice", "add it first: assent notice add FILE"),
    ("notice-taken", "`assent notice list` shows it"),
    ("no-witness", "list them with: assent witness list"),
    ("witnesses-missing", "Name each with --witness"),
    ("no-witness-key", "they choose one with: assent witness add NAME"),
    ("not-signed", "they sign with: assent witness sign NAME"),
    ("nothing-to-sign", "enrolments wait after: assent enrol --witness"),
    ("not-proposed", "`assent review NAME` shows them"),
    // Records of consents.
    ("record-no-notice", "add the file that the person was given: assent notice add FILE"),
    ("record-controller", "say it with: assent controller set --controller TEXT"),
    ("record-contact", "say it with: assent controller set --contact TEXT"),
    ("record-no-event", "check it with: assent audit verify"),
    // Collections.
    ("no-collection", "list them with: assent collection list"),
    ("no-basis", "that was said when it was added, with --others none"),
    ("basis-form", "the options for it are --dpia, --dpia-date and --dpia-review"),
    ("no-statement", "the options for it are --necessity and --alternative"),
    ("document-missing", "`assent doctor` says how to give it"),
    ("review-overdue", "review it, then: assent collection basis NAME --dpia REF --dpia-date DATE --dpia-review DATE"),
    ("no-crops", "that is declared when it is added: assent collection add --keep-crops"),
    (
        "empty-folder",
        "is the disk there? If the photos lie elsewhere now: assent collection move; if they are gone for good: assent \
         collection remove",
    ),
    (
        "collection-all-missing",
        "is the disk there? If the photos lie elsewhere now: assent collection move; if the collection has come to its end: \
         assent collection remove",
    ),
    ("collection-not-scanned", "scan the collection first (assent scan), then run this again"),
    ("collection-wrong-folder", "name the folder that has them, or say --anyway"),
    ("upload-not-written", "what was uploaded before stays: run the same command again"),
    // Requests and orders to stop.
    ("requests-open", "answer it first: assent request list"),
    ("on-request", "Open a request: assent request open search --subject NAME --collection NAME"),
    ("not-asked", "`assent request list` shows all"),
    ("no-request", "`assent request list` shows all"),
    ("request-step", "`assent request list --all` says where it is"),
    ("search-nowhere", "name it with --collection NAME (`assent collection list` shows them)"),
    (
        "overdue",
        "Answer the person, then note it: assent request answer {request} granted (or refused, nothing-held); `assent \
         request list` shows all",
    ),
    ("stopped", "`assent freeze list` shows it, and `assent freeze lift` ends it"),
    ("no-order", "`assent freeze list` shows all"),
    ("no-reason", "give it with --reason"),
    // Jobs.
    ("job-runs", "`assent jobs` shows it; to stop it: assent jobs cancel {job}"),
    ("no-job", "`assent jobs --all` shows those that there are"),
    ("job-ended", "`assent jobs` shows how it ended"),
    // Models and pictures.
    ("no-picture", "name it with --photo FILE"),
    ("runtime-missing", "`assent runtime fetch` installs it there"),
    ("runtime-load", "delete its folder and run `assent runtime fetch`"),
    ("network-load", "`assent packs verify` checks its files"),
    ("network-answer", "run `assent packs verify`"),
    ("pack-licence-not-accepted", "read it, and if it does, accept it with --accept-licence {licence}"),
];

const CLOCK: &str =
    "If the date is right, run the command again with --clock-is-right; if not, set the clock right first";

/// The code of an error that has one: the first of these types that it is.
macro_rules! code_of {
    ($error:ident, $($kind:ty),+ $(,)?) => {
        None$(.or_else(|| $error.downcast_ref::<$kind>().map(|error| error.code())))+
    };
}

/// A word for programs.
pub(crate) fn code(error: &(dyn Error + 'static)) -> Option<&'static str> {
    code_of!(
        error,
        CliError,
        CommandError,
        VaultError,
        LoadModelsError,
        EvaluateCmdError,
        TxError,
        Box<TxError>,
        OpenError,
        KeyRingError,
        RuleError,
        SealError,
        NoteError,
        RestoreError,
        BackupError,
        CertificateError,
        EvidenceError,
        ExportError,
        ProofError,
        Refused,
        PackError,
        assent::enrol::EnrolError,
        assent::portrait::PortraitError,
        assent::scan::ScanError,
        assent::resident::ResidentError,
        assent::models::ModelsError,
        assent::RuntimeError,
        assent::InferenceError,
        assent::source::SourceError,
        assent::source::UploadError,
        assent::service::uploads::UploadsError,
    )
}

/// What to do next about this error, not about its causes.
pub(crate) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let next = next(code(error)?)?;
    let request = match ledger(error) {
        Some(TxError::Overdue { request, .. }) => short(request),
        _ => "NUMBER".to_owned(),
    };
    let law = match ledger(error) {
        Some(TxError::Rule(RuleError::NoRepresentative { pack, .. })) => pack.as_str(),
        _ => "LAW",
    };
    let licence = match pack(error) {
        Some(PackError::LicenceNotAccepted { licence, .. }) => quoted(licence),
        _ => "LICENCE".to_owned(),
    };
    let job = match ledger(error) {
        Some(TxError::JobRuns { job, .. }) => job.to_string(),
        _ => "NUMBER".to_owned(),
    };
    let filled = next.replace("{request}", &request).replace("{law}", law).replace("{licence}", &licence);
    Some(filled.replace("{job}", &job))
}

fn next(code: &str) -> Option<&'static str> {
    NEXT.iter().find(|(of, _)| *of == code).map(|(_, next)| *next)
}

/// What the ledger refused.
fn ledger<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TxError> {
    match error.downcast_ref::<CliError>() {
        Some(CliError::Vault(error)) => return error.ledger(),
        Some(_) => return None,
        None => (),
    }
    if let Some(Refused::Ledger(refused)) = error.downcast_ref() {
        return Some(refused);
    }
    let boxed = error.downcast_ref::<Box<TxError>>().map(AsRef::as_ref);
    boxed.or_else(|| error.downcast_ref()).or_else(|| error.downcast_ref::<CommandError>()?.ledger())
}

/// What is wrong with a pack.
fn pack<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a PackError> {
    use assent::models::ModelsError::Pack;
    let models = match error.downcast_ref::<CliError>() {
        Some(CliError::Vault(CommandError::Models(models)) | CliError::Evaluate(EvaluateCmdError::Models(models))) => {
            Some(models)
        }
        _ => None,
    };
    match models {
        Some(LoadModelsError::Models(Pack(refused))) => Some(refused),
        _ => error.downcast_ref(),
    }
}

/// A sentence, and what to do next.
fn joined(says: &str, next: &str) -> String {
    let goes_on = next.starts_with(|c: char| c == '`' || c.is_lowercase());
    format!("{says}{} {next}", if goes_on { ";" } else { "." })
}

/// The sentence of an error, and what to do next.
pub(crate) fn sentence(error: &(dyn Error + 'static)) -> String {
    let says = error.to_string();
    let says = says.trim_end();
    hint(error).map_or_else(|| says.to_owned(), |next| joined(says, &next))
}

/// The same of an error of which the sentence and the code are left.
pub(crate) fn sentence_of(code: &str, says: &str) -> String {
    next(code).map_or_else(|| says.to_owned(), |next| joined(says, next))
}

/// An error and its causes.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| error.source())
}

/// What to do next about an error or the first of its causes for which there is something.
pub(crate) fn first(error: &(dyn Error + 'static)) -> Option<String> {
    causes(error).find_map(hint)
}

/// An error and its causes on one line, and what to do next.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let says: Vec<String> = causes(error).map(|error| error.to_string().trim().replace('\n', ", ")).collect();
    let says = says.join(": ");
    first(error).map_or_else(|| says.clone(), |next| joined(&says, &next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent::ledger::RequestId;
    use std::path::PathBuf;

    #[test]
    fn a_hint_stands_behind_the_sentence_and_names_what_it_is_about() {
        let check = |name: &str, error: &(dyn Error + 'static), says: &str| assert_eq!(sentence(error), says, "{name}");
        let folder = PathBuf::from("v");
        check(
            "a new sentence",
            &OpenError::NoVault { folder: folder.clone() },
            "there is no vault at v. If it lies elsewhere, name its whole path with --vault; a new one is made with: assent init",
        );
        let unknown =
            "nobody has said how old this person is; say it with: assent subject set SUBJECT --born 2011-04 (or adult)";
        check("in the sentence", &RuleError::AgeUnknown, unknown);
        check("of the ledger", &TxError::from(RuleError::AgeUnknown), unknown);
        check("of a command", &CliError::Vault(TxError::from(RuleError::AgeUnknown).into()), unknown);
        check("in a box", &Box::new(TxError::from(RuleError::AgeUnknown)), unknown);
        check("none", &TxError::CollectionExists, "a collection has this name already; choose another name");
        let request = RequestId::from_bytes([0xab; 16]);
        let overdue = CliError::Vault(TxError::Overdue { request, days: 1 }.into());
        assert!(hint(&overdue).unwrap().contains("assent request answer abababab granted"), "{overdue}");
        let licence =
            PackError::LicenceNotAccepted { card: folder.clone(), key: "detector".into(), licence: "a b".into() };
        assert!(hint(&licence).unwrap().ends_with("--accept-licence 'a b'"));
        let source = Box::new(TxError::NoSubject);
        let unfinished = OpenError::Resume { folder, source };
        assert_eq!(
            chain(&unfinished),
            "cannot finish what an interrupted run left in the vault at v: nobody here is called that; list everybody with: \
             assent subject list"
        );
    }

    /// Codes with a hint that an error of a command has, too: its sentence does not say what to do next.
    const SHARED: &[&str] = &["not-proposed"];

    #[test]
    fn every_hint_is_of_a_code_that_an_error_has() {
        let sources = [
            include_str!("../../assent-ledger/src/codes.rs"),
            include_str!("../../assent/src/codes.rs"),
            include_str!("../../assent-vision/src/codes.rs"),
            include_str!("../../assent-documents/src/codes.rs"),
        ];
        for (code, next) in NEXT {
            assert!(sources.iter().any(|source| source.contains(&format!("=> \"{code}\""))), "{code}");
            assert_eq!(NEXT.iter().filter(|(other, _)| other == code).count(), 1, "{code}");
            let by_command = include_str!("codes.rs").contains(&format!("=> \"{code}\""));
            assert_eq!(by_command, SHARED.contains(code), "{code}: an error of a command says itself what to do next");
            assert!(!next.ends_with('.'), "{code}");
        }
    }
}
