//! `assent rotate`: new keys, without anybody enrolled anew.

use assent::ledger::{SubjectId, TxError};
use assent_documents::json::Id;
use assent_documents::json::keys::{KeysRotated, NotDone};
use clap::Args;

use crate::error::CommandError;
use crate::hints::sentence;
use crate::output::{Output, count};
use crate::progress;
use crate::vault::{self, VaultFlags, act};

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RotateArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: Option<String>,
    /// Everybody on the list
    #[arg(long)]
    all: bool,
}

/// # Errors
///
/// - [`CommandError::NotRotated`] if records of somebody do not open; the others are rotated.
/// - As the ledger.
pub(crate) fn run(args: &RotateArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let (mut rotated, mut kept) = (1, Vec::new());
    if let Some(reference) = &args.subject {
        ledger.rotate(vault::subject(&ledger, reference)?.id, act())?;
    } else {
        rotated = 0;
        let bar = progress::bar(0, "people");
        kept = ledger.rotate_all(act(), &mut |done, of| {
            bar.set_length(of);
            bar.set_position(done);
            rotated = done as usize;
        })?;
        bar.finish_and_clear();
        rotated -= kept.len();
    }
    let not_done = |(subject, why): &(SubjectId, TxError)| NotDone { subject: Id::of(subject), because: sentence(why) };
    let answer = KeysRotated { rotated, kept: kept.iter().map(not_done).collect() };
    out.answer(&answer, |out| {
        writeln!(out, "{} made, old ones destroyed. Nobody has to be enrolled anew.", count(rotated, "new key"))?;
        for (subject, why) in &kept {
            // Their name may be among what does not open.
            let who = vault::subject(&ledger, &subject.to_string());
            let who = who.map_or_else(|_| vault::short(subject), |s| vault::person(&s));
            writeln!(out, "{who} keeps the key they had: {}", sentence(why))?;
        }
        writeln!(
            out,
            "Make a backup now (assent backup): one from before opens only with the backup of the key ring from the same \
             time, and the old keys are in that backup still."
        )
    })?;
    if kept.is_empty() { Ok(()) } else { Err(CommandError::NotRotated { people: kept.len() }) }
}
