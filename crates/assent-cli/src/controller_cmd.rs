//! `assent controller`: who answers for the vault.

use assent::ledger::{Jurisdiction, Settings};
use assent_documents::json::status::Controller;
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::output::{Output, date, day};
use crate::vault::{self, VaultFlags, act};

#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    #[command(subcommand)]
    command: ControllerCommand,
}

#[derive(Debug, Subcommand)]
enum ControllerCommand {
    /// Show who answers for the vault
    Show,
    /// Change it; what is not named stays as it is
    Set(Box<SetArgs>),
}

#[derive(Debug, Args)]
struct SetArgs {
    /// The organisation
    #[arg(long)]
    controller: Option<String>,
    /// The accountable person
    #[arg(long)]
    name: Option<String>,
    /// How people reach the controller
    #[arg(long)]
    contact: Option<String>,
    /// Where the controller is established, such as FR, UK, CH, US-IL
    #[arg(long, value_name = "CODE")]
    jurisdiction: Option<Jurisdiction>,
    /// The data protection officer
    #[arg(long)]
    dpo: Option<String>,
    /// Who represents the controller where it does not sit; may be given several times
    #[arg(long = "representative", value_name = "EU|UK|CH=NAME, ADDRESS")]
    representatives: Vec<String>,
    /// Since when the policy on retention and destruction is public
    #[arg(long, value_name = "DATE")]
    retention_policy_public: Option<String>,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &ControllerArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    if let ControllerCommand::Set(set) = &args.command {
        let then = Settings::clone(&ledger.settings());
        let mut representatives = then.representatives;
        for given in &set.representatives {
            let (pack, who) = given.split_once('=').ok_or(CommandError::Representative)?;
            let known = ledger.rules().packs().any(|p| p.representative && p.name == pack);
            if !known || who.trim().is_empty() {
                return Err(CommandError::Representative);
            }
            representatives.insert(pack.to_owned(), who.trim().to_owned());
        }
        for (flag, given) in [("--controller", &set.controller), ("--name", &set.name), ("--contact", &set.contact)] {
            if let Some(text) = given {
                named(flag, text)?;
            }
        }
        let policy = set.retention_policy_public.as_deref().map(day).transpose()?;
        let settings = Settings {
            controller: set.controller.clone().unwrap_or(then.controller),
            accountable: set.name.clone().unwrap_or(then.accountable),
            contact: set.contact.clone().unwrap_or(then.contact),
            jurisdiction: set.jurisdiction.as_ref().map_or(then.jurisdiction, ToString::to_string),
            dpo: set.dpo.clone().unwrap_or(then.dpo),
            representatives,
            retention_policy_public: policy.or(then.retention_policy_public),
        };
        ledger.change_settings(settings, act())?;
    }
    let s = ledger.settings();
    Ok(out.answer(&Controller::from(&*s), |out| {
        let dpo = if s.dpo.is_empty() { "none" } else { &s.dpo };
        writeln!(out, "{} ({}), {}", s.controller, s.jurisdiction, s.contact)?;
        writeln!(out, "accountable: {}; data protection officer: {dpo}", s.accountable)?;
        for (pack, who) in &s.representatives {
            writeln!(out, "represented under {pack} by {who}")?;
        }
        match s.retention_policy_public {
            Some(at) => writeln!(out, "policy on retention and destruction public since {}", date(at)),
            None => Ok(()),
        }
    })?)
}

/// Somebody answers for an organisation's vault, and can be reached (R18).
///
/// # Errors
///
/// [`CommandError::Nobody`] if the text is empty.
pub(crate) fn named(flag: &'static str, text: &str) -> Result<(), CommandError> {
    if text.trim().is_empty() { Err(CommandError::Nobody { flag }) } else { Ok(()) }
}
