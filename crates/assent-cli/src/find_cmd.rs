//! `assent find` and `assent review`: a subject's photos, as a list, as copies, as one page; and the proposals among
//! them that a person confirms or refuses.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use assent::find::{FoundPhoto, Use, find, picture};
use assent::ledger::{Band, FaceId, Ledger, Purpose, Subject, TxError, VaultKind, Verdict};
use clap::Args;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::output::{Output, count};
use crate::progress;
use crate::sheet;
use crate::vault::{self, VaultFlags, now};

/// Quality of copies, of 100.
const COPY_QUALITY: u8 = 92;

#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: String,
    /// In this collection alone
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Write copies into this new folder
    #[arg(long, value_name = "DIR")]
    copy_to: Option<PathBuf>,
    /// Write one page with all pictures, the found face framed
    #[arg(long, value_name = "FILE.html")]
    sheet: Option<PathBuf>,
    /// Leave everybody else's face uncovered (households alone)
    #[arg(long)]
    uncovered: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: String,
    /// Write one page with the proposals
    #[arg(long, value_name = "FILE.html")]
    sheet: Option<PathBuf>,
    /// It is them: the number of a proposal; may be given several times
    #[arg(long, value_name = "NUMBER")]
    confirm: Vec<i64>,
    /// It is not them
    #[arg(long, value_name = "NUMBER")]
    refuse: Vec<i64>,
}

/// # Errors
///
/// [`CommandError`], as the ledger and the pictures say.
pub(crate) fn run(args: &FindArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open_until_stopped(flags)?;
    if args.uncovered && ledger.kind() != VaultKind::Household {
        return Err(CommandError::Uncovered);
    }
    let subject = vault::subject(&ledger, &args.subject)?;
    let collection = args.collection.as_deref().map(|name| vault::collection(&ledger, name)).transpose()?.map(|c| c.id);
    let use_ = if args.copy_to.is_some() || args.sheet.is_some() { Use::Export } else { Use::Search };
    let found = find(&ledger, subject.id, collection, use_, now())?;
    if let Some(folder) = &args.copy_to {
        copies(&found, folder, !args.uncovered)?;
    }
    if let Some(file) = &args.sheet {
        let title = format!("Photos of {}", subject.name);
        sheet::write(file, &title, &found, !args.uncovered)?;
    }
    let object = json!({ "subject": subject.id.to_string(), "photos": found.iter().map(describe).collect::<Vec<_>>() });
    out.answer(&object, |out| {
        for f in &found {
            let sure = if f.is_certain() { "" } else { "\t(to be confirmed: assent review)" };
            writeln!(out, "{}{sure}", f.file.display())?;
        }
        let certain = found.iter().filter(|f| f.is_certain()).count();
        writeln!(out, "{}, {certain} of them sure", count(found.len(), "photo"))?;
        if let Some(folder) = &args.copy_to {
            writeln!(out, "Copies are in {}.", folder.display())?;
        }
        if let Some(file) = &args.sheet {
            writeln!(out, "The page is {}.", file.display())?;
        }
        Ok(())
    })?;
    Ok(())
}

/// # Errors
///
/// [`CommandError`], as the ledger and the pictures say.
pub(crate) fn review(args: &ReviewArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open_until_stopped(flags)?;
    let subject = vault::subject(&ledger, &args.subject)?;
    let decided = args.confirm.len() + args.refuse.len();
    for (numbers, verdict) in [(&args.confirm, Verdict::Confirmed), (&args.refuse, Verdict::Refused)] {
        for number in numbers {
            decide(&ledger, &subject, FaceId(*number), verdict)?;
        }
    }
    let mut open =
        find(&ledger, subject.id, None, if args.sheet.is_some() { Use::Export } else { Use::Search }, now())?;
    open.retain(|f| f.band == Band::Review && f.verdict.is_none());
    if let Some(file) = &args.sheet {
        sheet::write(file, &format!("Is this {}?", subject.name), &open, true)?;
    }
    let object = json!({ "decided": decided, "proposals": open.iter().map(describe).collect::<Vec<_>>() });
    out.answer(&object, |out| {
        if decided > 0 {
            writeln!(out, "{} kept.", count(decided, "decision"))?;
        }
        for f in &open {
            writeln!(out, "{}\t{}", f.face.0, f.file.display())?;
        }
        if open.is_empty() {
            return writeln!(out, "Nothing is to be confirmed.");
        }
        if let Some(file) = &args.sheet {
            writeln!(out, "The page is {}.", file.display())?;
        }
        writeln!(
            out,
            "Next: assent review {} --confirm NUMBER or --refuse NUMBER (--sheet FILE shows the faces)",
            args.subject
        )
    })?;
    Ok(())
}

/// Records what was said of a proposal, in whichever collection it is.
fn decide(ledger: &Ledger, subject: &Subject, face: FaceId, verdict: Verdict) -> Result<(), TxError> {
    ledger.run_tx("decide", now(), |tx| {
        let mut refused = Err(TxError::NotProposed { face });
        for collection in tx.collections()? {
            if let Some(proof) = tx.active_grant_for(subject.id, collection.id, &Purpose::find_my_photos())? {
                match tx.record_decision(&proof, face, verdict) {
                    Err(TxError::NotProposed { .. }) => {}
                    other => refused = other,
                }
            }
        }
        refused
    })?;
    Ok(())
}

fn describe(f: &FoundPhoto) -> Value {
    json!({
        "number": f.face.0, "collection": f.collection, "photo": f.path, "file": f.file.display().to_string(),
        "band": f.band.as_str(), "verdict": f.verdict.map(Verdict::as_str),
        "box": [f.at.x.round(), f.at.y.round(), f.at.w.round(), f.at.h.round()],
    })
}

/// Writes a copy of each photo below `folder`, each whole or not at all. A photo that cannot be copied ends it.
fn copies(found: &[FoundPhoto], folder: &Path, cover_others: bool) -> Result<(), CommandError> {
    let io = |op, path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::Io { op, path, source }
    };
    fs::create_dir_all(folder).map_err(io("make the folder", folder))?;
    if fs::read_dir(folder).map_err(io("read", folder))?.next().is_some() {
        return Err(CommandError::NotEmpty { path: folder.to_owned() });
    }
    let bar = progress::bar(found.len() as u64, "copies");
    for f in found {
        let target = folder.join(&f.collection).join(&f.path).with_extension("jpg");
        let parent = target.parent().unwrap_or(folder).to_owned();
        let bytes = assent::encode::jpeg(&picture(f, cover_others, false)?, COPY_QUALITY)?;
        fs::create_dir_all(&parent).map_err(io("make the folder", &parent))?;
        write_whole(&target, &bytes)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Writes a file so that it is there whole or not at all.
///
/// # Errors
///
/// [`CommandError::Io`] if the folder refuses.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let failed = |source| CommandError::Io { op: "write", path: path.to_owned(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}
