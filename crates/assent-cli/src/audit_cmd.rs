//! `assent audit`: is the log whole, what is in it, and what others can check without the vault.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assent::ledger::{
    Certificate, Checkpoint, Fault, GrowthProof, LeafProof, LogAt, LogKeys, Lost, ReceiptError, verify_erasure_list,
    verify_receipt,
};
use assent::packs::hex;
use assent_documents::json::log::{
    CertificateHolds, CertificatesHold, GrowthHolds, LogExported, LogVerified, ProofHolds, ReceiptHolds, SignedText,
    Written,
};
use assent_documents::json::{Id, Sha256, text as path_text};
use clap::{Args, Subcommand};

use crate::audit_show_cmd::{self, ShowArgs};
use crate::erase_cmd::ERASURE_LIST;
use crate::error::CommandError;
use crate::evidence;
use crate::files::{read_text, write_text};
use crate::output::{Output, date, people, shown};
use crate::progress;
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Recompute the log from its leaves; or check a certificate, a proof or a receipt, for which no vault is needed
    Verify(VerifyArgs),
    /// List what was done, newest last
    Show(ShowArgs),
    /// Prove that an entry stands in the log, or that the log only grew, for somebody who has the public key
    Prove {
        /// The entry's position, as `audit show` lists it
        #[arg(required_unless_present = "since", conflicts_with = "since")]
        position: Option<u64>,
        /// Prove that the log only grew since it had so many entries: what a checkpoint or a certificate says
        #[arg(long, value_name = "ENTRIES")]
        since: Option<u64>,
        /// Write the proof there instead of printing it
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// The log's public keys, one on each line: for checkpoints and proofs, certificates, receipts, and evidence
    Key {
        /// As a list that the keys for checkpoints signed: whoever has one of these from before gets the others from it
        #[arg(long)]
        list: bool,
    },
    /// How the log stands now, signed: keep it elsewhere, or give it to a witness
    Checkpoint {
        /// Hand the checkpoint to this command on its standard input: one that sends it to a witness
        #[arg(long, value_name = "COMMAND")]
        send: Option<String>,
        /// Write the checkpoint there instead of printing it
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// The certificate of an erasure
    Certificate {
        /// The number of the person who was erased, as `assent erase` told it
        subject: String,
        /// Write the certificate there instead of printing it
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Write the log as files that a web server can serve and monitors of such logs can read
    Export {
        /// Where; a folder with an earlier export of this log is brought up to date
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Also compare the log with a checkpoint that was signed earlier
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Check this certificate of erasure instead
    #[arg(long, value_name = "FILE", conflicts_with = "against", requires = "key")]
    certificate: Option<PathBuf>,
    /// Check that the log only grew since this checkpoint, by a proof of that, instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "certificate"], requires_all = ["key", "grown"])]
    checkpoint: Option<PathBuf>,
    /// What shows it (`assent audit prove --since`), or a checkpoint of the same moment: with a certificate, that it was signed for
    /// the log which is published
    #[arg(long, value_name = "FILE", requires = "key")]
    grown: Option<PathBuf>,
    /// Check this proof instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "certificate"], requires = "key")]
    proof: Option<PathBuf>,
    /// Check this consent receipt instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "certificate", "proof"], requires = "key")]
    receipt: Option<PathBuf>,
    /// Check this evidence instead: a ZIP file of `assent report evidence`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "certificate", "proof", "receipt"], requires = "key")]
    evidence: Option<PathBuf>,
    /// Check the list of erasures in this folder, and the certificate of everybody on it, instead
    #[arg(long, value_name = "DIR", conflicts_with_all = ["against", "certificate", "proof", "receipt"], requires = "key")]
    certificates: Option<PathBuf>,
    /// The log's public keys, or one of them, or a file that holds them
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The signed list of the log's keys (`assent audit key --list`): with an older or a single key for checkpoints the others
    /// are taken from there
    #[arg(long, value_name = "FILE", requires = "key")]
    keys: Option<PathBuf>,
}

/// # Errors
///
/// - [`CommandError::Audit`] if the log is not whole.
/// - [`CommandError::Note`], [`CommandError::Certificate`], [`CommandError::OtherCertificate`], [`CommandError::ErasureList`],
///   [`CommandError::Proof`], [`CommandError::Receipt`] if what others were given does not hold.
/// - As the ledger says.
pub(crate) fn run(args: &AuditArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    match &args.command {
        AuditCommand::Verify(VerifyArgs { certificate: Some(file), key: Some(key), keys: list, grown, .. }) => {
            let grown = grown.as_deref().map(read_text).transpose()?;
            certificate(&read_text(file)?, grown.as_deref(), &log_keys(key, list.as_deref())?, out)
        }
        AuditCommand::Verify(VerifyArgs {
            checkpoint: Some(file),
            grown: Some(grown),
            key: Some(key),
            keys: list,
            ..
        }) => growth(&read_text(file)?, &read_text(grown)?, &log_keys(key, list.as_deref())?, out),
        AuditCommand::Verify(VerifyArgs { proof: Some(file), key: Some(key), keys: list, .. }) => {
            proof(&read_text(file)?, &log_keys(key, list.as_deref())?, out)
        }
        AuditCommand::Verify(VerifyArgs { receipt: Some(file), key: Some(key), keys: list, .. }) => {
            receipt(&read_text(file)?, &log_keys(key, list.as_deref())?, out)
        }
        AuditCommand::Verify(VerifyArgs { evidence: Some(file), key: Some(key), keys: list, .. }) => {
            evidence::verify(file, &log_keys(key, list.as_deref())?, out)
        }
        AuditCommand::Verify(VerifyArgs { certificates: Some(folder), key: Some(key), keys: list, .. }) => {
            certificates(folder, &log_keys(key, list.as_deref())?, out)
        }
        AuditCommand::Verify(args) => log(args, flags, out),
        AuditCommand::Show(args) => audit_show_cmd::run(args, flags, out),
        AuditCommand::Prove { position, since, to } => {
            let ledger = vault::open(flags)?;
            let text = match (since, position) {
                (Some(since), _) => ledger.prove_growth(*since, now())?.to_string(),
                (None, position) => ledger.prove_leaf(position.unwrap_or_default(), now())?.to_string(),
            };
            write_or_print(&SignedText::Proof(text), "proof", to.as_deref(), out)
        }
        AuditCommand::Key { list: true } => {
            let list = vault::open(flags)?.log_keys_signed();
            Ok(out.answer(&SignedText::Keys(list.clone()), |out| out.write_all(list.as_bytes()))?)
        }
        AuditCommand::Key { list: false } => {
            let key = vault::open(flags)?.log_keys().to_string();
            Ok(out.answer(&SignedText::Key(key.clone()), |out| writeln!(out, "{key}"))?)
        }
        AuditCommand::Checkpoint { to, send } => {
            let text = vault::open(flags)?.checkpoint(now())?;
            if let Some(command) = send {
                hand_over(command, &text)?;
            }
            write_or_print(&SignedText::Checkpoint(text), "checkpoint", to.as_deref(), out)
        }
        AuditCommand::Certificate { subject, to } => {
            let ledger = vault::open(flags)?;
            let text = ledger.certificate(vault::erased(&ledger, subject)?, now())?;
            write_or_print(&SignedText::Certificate(text), "certificate", to.as_deref(), out)
        }
        AuditCommand::Export { to } => {
            let bar = progress::bar(0, "entries");
            let here = vault::open(flags)?.export_log(to, now(), &mut |done, of| {
                bar.set_length(of);
                bar.set_position(done);
            })?;
            bar.finish_and_clear();
            let answer = LogExported { log_entries: here.size, root: Sha256(hex(&here.root)), folder: path_text(to) };
            Ok(out.answer(&answer, |out| {
                writeln!(out, "{} holds the log as it stands: {}.", shown(to.display()), entries(here.size))
            })?)
        }
    }
}

/// Runs a command of the operator's with a text on its standard input.
fn hand_over(command: &str, text: &str) -> Result<(), CommandError> {
    let failed = |source| CommandError::Handed { command: command.to_owned(), source };
    let mut child =
        Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(()) } else { Err(failed(io::Error::other(format!("it ended with {status}")))) }
}

fn receipt(text: &str, keys: &LogKeys, out: &mut Output<'_>) -> Result<(), CommandError> {
    let record: serde_json::Value =
        serde_json::from_str(verify_receipt(text, keys)?).map_err(|_| ReceiptError::Form)?;
    let answer = ReceiptHolds { holds: true, record };
    Ok(out.answer(&answer, |out| {
        let purpose = answer.record["pii_processing"]["purposes"][0]["purpose"].as_str().unwrap_or("?");
        writeln!(out, "The receipt holds: it is for {purpose}, and was signed with this key.")
    })?)
}

fn log(args: &VerifyArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open_to_look(flags)?;
    let own = ledger.log_keys();
    let keys = args.key.as_deref().map_or(Ok(own), |key| log_keys(key, args.keys.as_deref()))?;
    let against =
        args.against.as_deref().map(|file| Ok::<_, CommandError>(Checkpoint::verify(&read_text(file)?, &keys)?));
    let against = against.transpose()?;
    let audit = ledger.audit_verify(against.as_ref(), now())?;
    let fault = audit.fault.map(|(position, fault)| (position, what(fault)));
    let answer = LogVerified::new(&audit, against.as_ref().map(|then| then.size), fault);
    if out.json || fault.is_none() || !audit.tampered.is_empty() {
        out.answer(&answer, |out| {
            // The names of tables and triggers may be somebody else's.
            audit.tampered.iter().try_for_each(|found| writeln!(out, "CHANGED\t{}", shown(found)))?;
            if fault.is_some() {
                return Ok(());
            }
            writeln!(out, "The log is whole: {}.", entries(audit.size))?;
            writeln!(out, "What it keeps about people fits their entries: {} checked.", audit.openings)?;
            match (against, audit.lost) {
                (Some(then), Some(lost)) => writeln!(out, "{}", describe_lost(&then, lost)),
                (Some(then), None) => {
                    writeln!(out, "Nothing before entry {} was changed since the checkpoint.", then.size)
                }
                (None, _) => Ok(()),
            }
        })?;
    }
    if let Some((position, what)) = fault {
        return Err(CommandError::Audit { position, what });
    }
    let more = audit.tampered.len().saturating_sub(1);
    match audit.tampered.first() {
        Some(first) => Err(CommandError::Tampered { first: shown(first), more }),
        None => Ok(()),
    }
}

/// Why a checkpoint says more than the log has.
fn describe_lost(then: &Checkpoint, lost: Lost) -> String {
    let entries = entries(then.size - lost.from);
    let noted = if lost.named {
        "What was written down then names this checkpoint as the newest that was known."
    } else {
        "What was written down then does not name this checkpoint: ask whoever restored it why."
    };
    format!(
        "The vault was restored from a backup after this checkpoint was signed: {entries} of that time, from entry {} on, are lost, \
         and the log goes on from there under another name. {noted} What came before them cannot be compared with this checkpoint.",
        lost.from
    )
}

/// "1 entry", "2 entries".
pub(crate) fn entries(n: u64) -> String {
    if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") }
}

/// Whether the log only grew between a checkpoint and another one.
fn growth(then: &str, proof: &str, keys: &LogKeys, out: &mut Output<'_>) -> Result<(), CommandError> {
    let then = Checkpoint::verify(then, keys)?;
    let here = GrowthProof::verify(proof, keys, &LogAt::from(&then))?;
    let answer = GrowthHolds { holds: true, log: here.name.clone(), grown_from: then.size, log_entries: here.size };
    Ok(out.answer(&answer, |out| {
        writeln!(out, "The log only grew: from {} to {}; none of those was changed.", entries(then.size), here.size)
    })?)
}

/// `grown` shows that the log which it is for is the one that is published.
fn certificate(text: &str, grown: Option<&str>, keys: &LogKeys, out: &mut Output<'_>) -> Result<(), CommandError> {
    let read = Certificate::verify(text, keys)?;
    let published = grown.map(|proof| GrowthProof::verify(proof, keys, &LogAt::from(&read))).transpose()?;
    let answer = CertificateHolds::new(&read, keys.name(), published.as_ref().map(|here| here.size));
    Ok(out.answer(&answer, |out| {
        writeln!(out, "The certificate holds: it was signed with this key.")?;
        if let Some(here) = &published {
            writeln!(out, "The log that it is for is the published one, which has {} now.", entries(here.size))?;
        }
        writeln!(
            out,
            "The person with the number {} was erased on {}, and their key destroyed on {} (entries {} and {} of the log).",
            vault::short(&read.subject),
            date(read.erased),
            date(read.key_destroyed),
            read.intent.0.position,
            read.done.0.position
        )?;
        writeln!(
            out,
            "Backups of the key ring that are older may hold the key until {}.",
            date(read.key_ring_backups_until)
        )
    })?)
}

/// Everybody on the list, each with a certificate of their own.
fn certificates(folder: &Path, keys: &LogKeys, out: &mut Output<'_>) -> Result<(), CommandError> {
    let listed = verify_erasure_list(&read_text(&folder.join(ERASURE_LIST))?, keys)?;
    for subject in &listed {
        let path = folder.join(format!("{subject}.txt"));
        if Certificate::verify(&read_text(&path)?, keys)?.subject != *subject {
            return Err(CommandError::OtherCertificate { path });
        }
    }
    let subjects = listed.iter().map(Id::of).collect();
    Ok(out.answer(&CertificatesHold { holds: true, log: keys.name().to_owned(), subjects }, |out| {
        listed.iter().try_for_each(|id| writeln!(out, "{}", vault::short(id)))?;
        writeln!(out, "The list holds, and so does the certificate of everybody on it: {}.", people(listed.len()))
    })?)
}

fn proof(text: &str, keys: &LogKeys, out: &mut Output<'_>) -> Result<(), CommandError> {
    let proof = LeafProof::verify(text, keys)?;
    let LeafProof { position, leaf, .. } = &proof;
    Ok(out.answer(&ProofHolds::new(&proof, keys.name()), |out| {
        let kind = leaf.kind.as_str();
        writeln!(out, "The proof holds: entry {position} of the log is \"{kind}\" of {}.", date(leaf.time))
    })?)
}

/// Writes a text to a file or to the answer.
fn write_or_print(text: &SignedText, what: &str, to: Option<&Path>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let Some(path) = to else {
        return Ok(out.answer(text, |out| out.write_all(text.as_str().as_bytes()))?);
    };
    write_text(path, text.as_str())?;
    Ok(out.answer(&Written { file: path_text(path) }, |out| {
        writeln!(out, "The {what} is in {}.", shown(path.display()))
    })?)
}

/// The keys, or those in a file; and what a signed list of keys adds to them.
fn log_keys(keys: &str, list: Option<&Path>) -> Result<LogKeys, CommandError> {
    let path = Path::new(keys);
    let keys: LogKeys = match keys.parse() {
        Ok(keys) => keys,
        Err(_) if path.exists() => read_text(path)?.parse()?,
        Err(e) => return Err(e.into()),
    };
    Ok(list.map(|list| keys.learn(&read_text(list)?).map_err(CommandError::from)).transpose()?.unwrap_or(keys))
}

fn what(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "is missing",
        Fault::Changed => "was changed",
        Fault::Moved => "belongs elsewhere",
        Fault::Head => "or one after it does not fit the head",
        Fault::Opening => "does not match its opening",
        Fault::Cut => "is missing: the log was longer when the checkpoint was signed",
        Fault::Origin => "or the list of restores was changed: they do not say the same",
        Fault::Forked => "or one before it is not the one that the checkpoint was signed for",
    }
}
