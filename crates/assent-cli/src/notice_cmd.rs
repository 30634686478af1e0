//! `assent notice`: what people are told before they say yes.

use std::path::PathBuf;

use assent::service::notices;
use assent_documents::json::consents::{Notice, NoticeList};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::files::read_text;
use crate::output::{Output, date, shown};
use crate::vault::{self, VaultFlags, act, now};

#[derive(Debug, Args)]
pub(crate) struct NoticeArgs {
    #[command(subcommand)]
    command: NoticeCommand,
}

#[derive(Debug, Subcommand)]
enum NoticeCommand {
    /// Add a notice, or the next version of one: a consent is bound to the text that was read
    Add {
        /// A text file
        file: PathBuf,
        /// What it is called [default: the file's name]
        #[arg(long)]
        name: Option<String>,
        /// In which language, such as en or de-CH
        #[arg(long, default_value = "en", value_name = "TAG")]
        language: String,
    },
    /// Show all notices with their versions
    List,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &NoticeArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.command {
        NoticeCommand::Add { file, name, language } => {
            let text = read_text(file)?;
            let name = name.clone().unwrap_or_else(|| name_of(file));
            let added = notices::add(&ledger, &name, language, &text, act())?;
            Ok(out.answer(&Notice::from(&added), |out| {
                writeln!(
                    out,
                    "{} ({}) has version {}. Whoever agrees from now on can be given it.",
                    name, language, added.version
                )
            })?)
        }
        NoticeCommand::List => {
            let all = notices::all(&ledger, now())?;
            Ok(out.answer(&NoticeList { notices: all.iter().map(Notice::from).collect() }, |out| {
                for n in &all {
                    let since = date(n.created);
                    writeln!(out, "{}\t{}\tversion {}\tsince {since}", shown(&n.name), n.language, n.version)?;
                }
                if all.is_empty() { writeln!(out, "No notice yet. Next: assent notice add FILE") } else { Ok(()) }
            })?)
        }
    }
}

/// What a notice in this file is called if nobody says otherwise.
pub(crate) fn name_of(file: &std::path::Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
