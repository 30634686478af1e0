//! `assent report`: the register of processing, and evidence for an authority, which is checked without the vault.

use std::fs;
use std::path::{Path, PathBuf};

use assent::ledger::{Ledger, Settings, UniqueFileNames, file_name_of};
use assent::packs::sha256;
use assent::rulepacks::{self, Described};
use assent::service::evidence as records;
use assent_documents::evidence::{self, BYTES_MAX, Files, LIST, LOG};
use assent_documents::json::rights::EvidenceWritten;
use assent_documents::json::{pretty, text};
use assent_documents::register::{self, register};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::files::{read_bytes, refuse_other, write_private};
use crate::output::{Output, count, quoted};
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    command: ReportCommand,
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// The record of processing activities that article 30 of the GDPR asks for, as JSON
    Register,
    /// Everything that an authority asks for, in one ZIP file: register, notices, requests, orders, certificates of
    /// erasures, the log; anybody checks it with: assent audit verify --evidence FILE --key KEY
    Evidence {
        /// The ZIP file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Also put this file into it: the impact assessment, the report on the accuracy; may be given several times
        #[arg(long = "with", value_name = "FILE")]
        with: Vec<PathBuf>,
    },
}

/// # Errors
///
/// [`CommandError`], as the ledger says, or if a file cannot be read or written.
pub(crate) fn run(args: &ReportArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.command {
        ReportCommand::Register => {
            let (settings, laws) = (ledger.settings(), laws()?);
            let about = about(&ledger, &settings, &laws);
            let answer = register(&about, &records::register(&ledger, now())?);
            let pretty = pretty(&answer).map_err(std::io::Error::from)?;
            Ok(out.answer(&answer, |out| writeln!(out, "{pretty}"))?)
        }
        ReportCommand::Evidence { to, with } => {
            refuse_other(to, LIST)?;
            let files = files(&ledger, with)?;
            let bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
            if bytes > BYTES_MAX {
                return Err(CommandError::EvidenceTooLarge { path: to.clone() });
            }
            let hashes = files.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect();
            write_private(to, &evidence::file(&ledger.evidence_list(&hashes)?, &files)?)?;
            let key = ledger.log_keys().to_string();
            Ok(out.answer(&EvidenceWritten { file: text(to), files: files.len(), key }, |out| {
                writeln!(out, "{} holds {}.", to.display(), count(files.len(), "file"))?;
                let file = quoted(&to.display().to_string());
                writeln!(out, "Anybody checks it with: assent audit verify --evidence {file} --key KEY")?;
                writeln!(out, "Tell them the key beside it, not in the file: assent audit key")
            })?)
        }
    }
}

/// The files of the evidence: what the vault knows, the log, and the files that were named.
fn files(ledger: &Ledger, with: &[PathBuf]) -> Result<Files, CommandError> {
    let records = records::records(ledger, now())?;
    let mut beside = Vec::new();
    let folder = tempfile::tempdir()?;
    ledger.export_log(folder.path(), now(), &mut |_, _| {})?;
    below(folder.path(), folder.path(), &mut beside)?;
    let mut given = UniqueFileNames::default();
    for path in with {
        let name = file_name_of(&path.file_name().unwrap_or_default().to_string_lossy());
        beside.push((given.unique(&format!("with/{name}")), read_bytes(path)?));
    }
    let (settings, laws) = (ledger.settings(), laws()?);
    Ok(evidence::files(&about(ledger, &settings, &laws), records, beside)?)
}

fn laws() -> Result<Vec<Described>, CommandError> {
    Ok(rulepacks::described().map_err(vault::VaultError::from)?)
}

fn about<'a>(ledger: &Ledger, settings: &'a Settings, laws: &'a [Described]) -> register::About<'a> {
    register::About { settings, vault: ledger.id(), made: now(), laws }
}

/// All files below a folder, named from the log's place in the evidence.
fn below(root: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), CommandError> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            below(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            files.push((format!("{LOG}{name}"), fs::read(&path)?));
        }
    }
    Ok(())
}
