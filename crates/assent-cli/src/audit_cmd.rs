//! `assent audit`: is the log whole, what is in it, and what others can check without the vault.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assent::ledger::{
    Certificate, Checkpoint, Fault, LeafProof, LogKey, ReceiptError, verify_erasure_list, verify_receipt,
};
use assent::packs::hex;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

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
    /// Prove that an entry stands in the log, for somebody who has the public key
    Prove {
        /// The entry's position, as `audit show` lists it
        position: u64,
        /// Write the proof there instead of printing it
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// The log's public key, which checks certificates, proofs and checkpoints
    Key,
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
    /// The log's public key, or a file that holds it
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// # Errors
///
/// - [`CommandError::Audit`] if the log is not whole.
/// - [`CommandError::Note`], [`CommandError::Certificate`], [`CommandError::OtherCertificate`], [`CommandError::ErasureList`],
///   [`CommandError::Proof`], [`CommandError::Receipt`] if what others were given does not hold.
/// - As the ledger says.
pub(crate) fn run(args: &AuditArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    match &args.command {
        AuditCommand::Verify(VerifyArgs { certificate: Some(file), key: Some(key), .. }) => {
            certificate(&read_text(file)?, &log_key(key)?, out)
        }
        AuditCommand::Verify(VerifyArgs { proof: Some(file), key: Some(key), .. }) => {
            proof(&read_text(file)?, &log_key(key)?, out)
        }
        AuditCommand::Verify(VerifyArgs { receipt: Some(file), key: Some(key), .. }) => {
            receipt(&read_text(file)?, &log_key(key)?, out)
        }
        AuditCommand::Verify(VerifyArgs { evidence: Some(file), key: Some(key), .. }) => {
            evidence::verify(file, &log_key(key)?, out)
        }
        AuditCommand::Verify(VerifyArgs { certificates: Some(folder), key: Some(key), .. }) => {
            certificates(folder, &log_key(key)?, out)
        }
        AuditCommand::Verify(args) => log(args, flags, out),
        AuditCommand::Show(args) => audit_show_cmd::run(args, flags, out),
        AuditCommand::Prove { position, to } => {
            let text = vault::open(flags)?.prove_leaf(*position, now())?.to_string();
            write_or_print(&text, "proof", to.as_deref(), out)
        }
        AuditCommand::Key => {
            let key = vault::open(flags)?.log_key().to_string();
            Ok(out.answer(&json!({ "key": key }), |out| writeln!(out, "{key}"))?)
        }
        AuditCommand::Checkpoint { to, send } => {
            let text = vault::open(flags)?.checkpoint(now())?;
            if let Some(command) = send {
                hand_over(command, &text)?;
            }
            write_or_print(&text, "checkpoint", to.as_deref(), out)
        }
        AuditCommand::Certificate { subject, to } => {
            let ledger = vault::open(flags)?;
            let text = ledger.certificate(vault::erased(&ledger, subject)?, now())?;
            write_or_print(&text, "certificate", to.as_deref(), out)
        }
        AuditCommand::Export { to } => {
            let bar = progress::bar(0, "entries");
            let here = vault::open(flags)?.export_log(to, now(), &mut |done, of| {
                bar.set_length(of);
                bar.set_position(done);
            })?;
            bar.finish_and_clear();
            let object = json!({ "entries": here.size, "root": hex(&here.root), "folder": to });
            Ok(out.answer(&object, |out| {
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

fn receipt(text: &str, key: &LogKey, out: &mut Output<'_>) -> Result<(), CommandError> {
    let record: Value = serde_json::from_str(verify_receipt(text, key)?).map_err(|_| ReceiptError::Form)?;
    Ok(out.answer(&json!({ "holds": true, "record": record }), |out| {
        let purpose = record["pii_processing"]["purposes"][0]["purpose"].as_str().unwrap_or("?");
        writeln!(out, "The receipt holds: it is for {purpose}, and was signed with this key.")
    })?)
}

fn log(args: &VerifyArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let own = ledger.log_key();
    let key = args.key.as_deref().map_or(Ok(own), log_key)?;
    let against =
        args.against.as_deref().map(|file| Ok::<_, CommandError>(Checkpoint::verify(&read_text(file)?, &key)?));
    let against = against.transpose()?;
    let audit = ledger.audit_verify(against.as_ref(), now())?;
    let fault = audit.fault.map(|(position, fault)| (position, what(fault)));
    let object = json!({
        "whole": fault.is_none(), "leaves": audit.size, "root": hex(&audit.root), "openings": audit.openings,
        "grown_from": against.as_ref().map(|then| then.size),
        "fault": fault.map(|(position, what)| json!({ "leaf": position, "what": what })),
    });
    if fault.is_none() || out.json {
        out.answer(&object, |out| {
            writeln!(out, "The log is whole: {}.", entries(audit.size))?;
            writeln!(out, "What it keeps about people fits their entries: {} checked.", audit.openings)?;
            against.map_or(Ok(()), |then| {
                writeln!(out, "Nothing before entry {} was changed since the checkpoint.", then.size)
            })
        })?;
    }
    fault.map_or(Ok(()), |(position, what)| Err(CommandError::Audit { position, what }))
}

/// "1 entry", "2 entries".
pub(crate) fn entries(n: u64) -> String {
    if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") }
}

fn certificate(text: &str, key: &LogKey, out: &mut Output<'_>) -> Result<(), CommandError> {
    let read = Certificate::verify(text, key)?;
    let object = json!({
        "holds": true, "log": key.name(), "subject": read.subject.to_string(), "erased": date(read.erased),
        "key_destroyed": date(read.key_destroyed), "key_ring_backups_until": date(read.key_ring_backups_until),
        "intent_leaf": read.intent.0.position, "done_leaf": read.done.0.position,
    });
    Ok(out.answer(&object, |out| {
        writeln!(out, "The certificate holds: it was signed with this key.")?;
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
fn certificates(folder: &Path, key: &LogKey, out: &mut Output<'_>) -> Result<(), CommandError> {
    let listed = verify_erasure_list(&read_text(&folder.join(ERASURE_LIST))?, key)?;
    for subject in &listed {
        let path = folder.join(format!("{subject}.txt"));
        if Certificate::verify(&read_text(&path)?, key)?.subject != *subject {
            return Err(CommandError::OtherCertificate { path });
        }
    }
    let ids: Vec<String> = listed.iter().map(ToString::to_string).collect();
    Ok(out.answer(&json!({ "holds": true, "log": key.name(), "subjects": ids }), |out| {
        listed.iter().try_for_each(|id| writeln!(out, "{}", vault::short(id)))?;
        writeln!(out, "The list holds, and so does the certificate of everybody on it: {}.", people(ids.len()))
    })?)
}

fn proof(text: &str, key: &LogKey, out: &mut Output<'_>) -> Result<(), CommandError> {
    let LeafProof { position, leaf, .. } = LeafProof::verify(text, key)?;
    let object = json!({
        "holds": true, "log": key.name(), "leaf": position, "kind": leaf.kind.as_str(), "date": date(leaf.time),
    });
    Ok(out.answer(&object, |out| {
        let kind = leaf.kind.as_str();
        writeln!(out, "The proof holds: entry {position} of the log is \"{kind}\" of {}.", date(leaf.time))
    })?)
}

/// Writes a text to a file or to the answer.
fn write_or_print(text: &str, what: &'static str, to: Option<&Path>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let Some(path) = to else {
        return Ok(out.answer(&json!({ what: text }), |out| out.write_all(text.as_bytes()))?);
    };
    write_text(path, text)?;
    Ok(out.answer(&json!({ "file": path }), |out| writeln!(out, "The {what} is in {}.", shown(path.display())))?)
}

/// The key, or that in a file.
fn log_key(key: &str) -> Result<LogKey, CommandError> {
    if let Ok(key) = key.parse() {
        return Ok(key);
    }
    let path = Path::new(key);
    if path.exists() { Ok(read_text(path)?.parse()?) } else { Ok(key.parse()?) }
}

fn what(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "is missing",
        Fault::Changed => "was changed",
        Fault::Moved => "belongs elsewhere",
        Fault::Head => "or one after it does not fit the head",
        Fault::Opening => "does not match its opening",
        Fault::Cut => "is missing: the log was longer when the checkpoint was signed",
        Fault::Forked => "or one before it is not the one that the checkpoint was signed for",
    }
}
