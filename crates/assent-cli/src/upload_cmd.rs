//! `assent upload`: photos are handed in for a collection, and kept in the vault's own folder.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use assent::service::uploads::{self, UploadsError};
use assent::source::{UploadError, Uploaded, open_regular};
use assent_documents::json::collections::{NotUploaded, PhotosUploaded, UploadedFile};
use clap::Args;

use crate::error::CommandError;
use crate::hints::chain;
use crate::output::{Output, count, quoted, shown};
use crate::progress;
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    /// A collection whose photos are uploaded: one that was added with --uploads
    collection: String,
    /// The photos; they stay where they are, and the collection has copies of its own
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// # Errors
///
/// - [`CommandError::NotUploaded`] if a file was not taken; which and why was told, and the others were.
/// - [`CommandError::Uploads`] if nothing can be uploaded, or the disk refuses. What was uploaded before stays.
pub(crate) fn run(args: &UploadArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let collection = vault::collection(&ledger, &args.collection)?;
    let mut uploads = uploads::open(&ledger, collection.id, now())?;
    let (mut new, mut duplicates): (Vec<Told<'_>>, Vec<Told<'_>>) = (Vec::new(), Vec::new());
    let mut refused = Vec::new();
    let bar = progress::bar(args.files.len() as u64, "photos uploaded");
    for file in &args.files {
        let name = file.to_string_lossy();
        let taken = open(file).and_then(|mut opened| uploads.add(&name, &mut opened));
        match taken {
            Ok(Uploaded::New(path)) => new.push((name, path.to_string())),
            Ok(Uploaded::Duplicate(path)) => duplicates.push((name, path.to_string())),
            Err(why @ (UploadError::Write { .. } | UploadError::Source(_))) => {
                return Err(UploadsError::from(why).into());
            }
            Err(why) => refused.push((name, why)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let pairs = |all: &[Told<'_>]| -> Vec<UploadedFile> {
        all.iter().map(|(file, path)| UploadedFile { file: file.to_string(), photo: path.clone() }).collect()
    };
    let reason = |(file, why): &(Cow<'_, str>, UploadError)| NotUploaded {
        file: file.to_string(),
        code: why.code().to_owned(),
        because: chain(why),
    };
    let answer = PhotosUploaded {
        collection: collection.name.clone(),
        uploaded: pairs(&new),
        duplicates: pairs(&duplicates),
        not_uploaded: refused.iter().map(reason).collect(),
    };
    out.answer(&answer, |out| {
        writeln!(out, "{}: {} uploaded.", shown(&collection.name), count(new.len(), "photo"))?;
        for (file, path) in &duplicates {
            writeln!(out, "{} was there already, as {}", shown(file), shown(path))?;
        }
        for (_, why) in &refused {
            writeln!(out, "not uploaded: {}", chain(why))?;
        }
        if new.is_empty() { Ok(()) } else { writeln!(out, "Next: assent scan {}", quoted(&collection.name)) }
    })?;
    match refused.len() {
        0 => Ok(()),
        n => Err(CommandError::NotUploaded { files: count(n, "file") }),
    }
}

/// A file as it was named, and the path of its photo.
type Told<'a> = (Cow<'a, str>, String);

fn open(file: &Path) -> Result<File, UploadError> {
    open_regular(file).map_err(|source| UploadError::Read { name: file.display().to_string(), source })
}
