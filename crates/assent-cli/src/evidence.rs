//! Checking evidence for an authority. Strangers hand it around and strangers check it, so nothing of it is believed, and
//! nothing is inflated beyond a bound, before the log's signature says that it belongs there.
//!
//! ```text
//! the ZIP file's own list   no name twice, nothing over something else
//! list.txt                  signed by the log; the names are those that are there
//! every file                inflated once through SHA-256, in all up to 1 GiB
//! log/, certificates/       read again, each up to a bound of its own
//! ```

use std::fs::File;
use std::io::{BufReader, Read, copy};
use std::path::Path;

use assent::ledger::{Certificate, EvidenceError, EvidenceList, LogKeys, verify_export};
use assent::packs::sha256_of;
use assent::source::open_regular;
use assent_documents::evidence::{BYTES_MAX, CERTIFICATES, LIST, LOG};
use assent_documents::json::log::EvidenceHolds;
use zip::ZipArchive;

use crate::error::CommandError;
use crate::output::{Output, count};

/// What the list of a million files, or a certificate, may be, bytes.
const TEXT_BYTES_MAX: u64 = 128 << 20;

/// What one file of the log may be, bytes: 256 entries of 64 KiB at most, each with its length before it.
const TILE_BYTES_MAX: u64 = 256 * (2 + (1 << 16));

type Archive = ZipArchive<BufReader<File>>;

/// Checks evidence with the log's public keys alone, or one of those for checkpoints.
///
/// # Errors
///
/// - [`CommandError::Evidence`] if it does not hold, [`CommandError::Zip`] if it is no ZIP file.
/// - [`CommandError::EvidenceZip`] if the ZIP file says two things at once.
/// - [`CommandError::EvidenceTooLarge`] if there is more in it than there may be.
pub(crate) fn verify(path: &Path, known: &LogKeys, out: &mut Output<'_>) -> Result<(), CommandError> {
    let io = |source| CommandError::Io { op: "read", path: path.to_owned(), source };
    let mut zip = ZipArchive::new(BufReader::new(open_regular(path).map_err(io)?))?;
    let odd = |what| Err(CommandError::EvidenceZip { path: path.to_owned(), what });
    if zip.has_duplicate_names() {
        return odd("two of its files have one name, so that each program may show another one");
    }
    if zip.has_overlapping_files()? {
        return odd("its files lie over each other, so that each program may show another one");
    }
    if zip.validate_header_consistency().is_err() {
        return odd("what its list of files says is not what stands before each file");
    }
    // The log's own list of its keys, if one that is known signed it.
    let own = read(&mut zip, path, &format!("{LOG}keys"), TEXT_BYTES_MAX)?;
    let own = own.and_then(|list| known.learn(&String::from_utf8(list).ok()?).ok());
    let keys = own.as_ref().unwrap_or(known);
    let list = read(&mut zip, path, LIST, TEXT_BYTES_MAX)?.ok_or(EvidenceError::Form)?;
    let list = EvidenceList::verify(&String::from_utf8(list).map_err(|_| EvidenceError::Form)?, keys)?;
    let there: Vec<String> =
        zip.file_names().map(|name| Ok(name?.into_owned())).collect::<Result<_, CommandError>>()?;
    list.check_names(there.iter().map(String::as_str).filter(|name| *name != LIST))?;

    let (mut left, mut certificates) = (BYTES_MAX, 0);
    for name in list.names() {
        let mut content = zip.by_name(name)?.take(left + 1);
        let sha256 = sha256_of(&mut content).map_err(io)?;
        left = content.limit().checked_sub(1).ok_or_else(|| too_large(path))?;
        list.check_content(name, sha256)?;
    }
    for name in list.names().filter(|name| name.starts_with(CERTIFICATES)) {
        let text = read(&mut zip, path, name, TEXT_BYTES_MAX)?.unwrap_or_default();
        Certificate::verify(&String::from_utf8_lossy(&text), keys)?;
        certificates += 1;
    }
    let mut of_log = |name: &str| read(&mut zip, path, &format!("{LOG}{name}"), TILE_BYTES_MAX).ok().flatten();
    let log = verify_export(&mut of_log, keys)?;

    let files = there.len() - 1;
    let answer = EvidenceHolds { holds: true, files, log_entries: log.size, certificates };
    Ok(out.answer(&answer, |out| {
        writeln!(
            out,
            "The evidence holds: {}, a log of {} entries, {}.",
            count(files, "file"),
            log.size,
            count(certificates, "certificate")
        )
    })?)
}

/// A file of the archive; `None` if there is none of this name.
fn read(zip: &mut Archive, path: &Path, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, CommandError> {
    if zip.index_for_name(name).is_none() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = copy(&mut zip.by_name(name)?.take(bytes_max + 1), &mut bytes);
    let read = read.map_err(|source| CommandError::Io { op: "read", path: path.to_owned(), source })?;
    if read > bytes_max { Err(too_large(path)) } else { Ok(Some(bytes)) }
}

fn too_large(path: &Path) -> CommandError {
    CommandError::EvidenceTooLarge { path: path.to_owned() }
}
