//! Photo packs: labelled photos for trying Assent and for measuring it. They never go into a real vault.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::digest::{hex, parse_sha256, sha256, sha256_of};
use super::table::{Keys, is_relative, parse_card, read_card};
use super::{CARD_FILE, PackError, PackKind};

/// The list of hashes in a photo pack.
const SUMS_FILE: &str = "SHA256SUMS";

const KEYS: &[&str] = &[
    "format",
    "kind",
    "name",
    "version",
    "photos",
    "portraits",
    "digest",
    "labels",
    "source",
    "licence",
    "label_basis",
];

/// The digest of the sample set `crew`, 2026.11: published photos of astronauts and cosmonauts in their office.
///
/// Some options show single pairs or take a free threshold. On anybody's photos these could name a stranger, so they
/// are allowed on this set alone (invariant I11), and [`VerifiedPhotos::is_sample_set`] is how that is asked.
pub const SAMPLE_SET_DIGEST: [u8; 32] = [
    0x7d, 0xbd, 0x3e, 0xc9, 0xdb, 0xd5, 0xca, 0x2c, 0xaa, 0xad, 0xa6, 0x45, 0x4b, 0xd1, 0x8f, 0xcf, 0xca, 0x71, 0x51,
    0x02, 0x85, 0x69, 0x6b, 0x9f, 0x62, 0x68, 0x36, 0xd9, 0xbc, 0x78, 0x87, 0x76,
];

/// A photo pack whose card and list of hashes belong together. The photos themselves are not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoPack {
    /// The pack's name.
    pub name: String,
    /// The pack's version.
    pub version: String,
    /// Where the photos come from, for people.
    pub source: String,
    /// Their licence, for people.
    pub licence: String,
    /// The folder with the photos.
    pub photos_dir: PathBuf,
    /// The folder with one portrait per person; a person's name is the file's stem.
    pub portraits_dir: PathBuf,
    /// The labels: photo, person, basis, separated by tabs.
    pub labels: PathBuf,
    /// SHA-256 of the list of hashes, which is the pack's identity.
    pub digest: [u8; 32],
    dir: PathBuf,
    /// Relative path to hash.
    sums: BTreeMap<String, [u8; 32]>,
}

/// A photo pack whose every file was compared with the list of hashes, and that holds no other file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPhotos {
    /// The photos, in the order of their names.
    pub photos: Vec<PathBuf>,
    /// The portraits, in the order of their names.
    pub portraits: Vec<PathBuf>,
    /// The path of the file that says who is in which photo.
    pub labels: PathBuf,
    digest: [u8; 32],
}

impl VerifiedPhotos {
    /// Whether this is the set with [`SAMPLE_SET_DIGEST`].
    pub fn is_sample_set(&self) -> bool {
        self.digest == SAMPLE_SET_DIGEST
    }
}

impl PhotoPack {
    /// Reads the card and the list of hashes in `dir`.
    ///
    /// # Errors
    ///
    /// - [`PackError::NoCard`], [`PackError::CardUnreadable`], [`PackError::CardNotToml`], [`PackError::Format`],
    ///   [`PackError::Kind`], [`PackError::UnknownKey`], [`PackError::MissingKey`], [`PackError::BadValue`],
    ///   [`PackError::FileNameLeaves`] if the card is not as `docs/formats/pack.md` says.
    /// - [`PackError::FileMissing`], [`PackError::FileUnreadable`] if the list of hashes cannot be read.
    /// - [`PackError::FileHash`] if the list is not the one that the card names.
    /// - [`PackError::SumsLine`] if a line of it is malformed.
    /// - [`PackError::FileMissing`] if the list does not name the labels.
    pub fn load(dir: &Path) -> Result<Self, PackError> {
        let (card, bytes) = read_card(dir)?;
        let table = parse_card(&card, &bytes, PackKind::Photos)?;
        let keys = Keys::top(&card, &table);
        keys.only(KEYS)?;
        keys.text("label_basis")?;
        let digest = parse_sha256(&keys.text("digest")?)
            .ok_or_else(|| keys.bad("digest", "64 lower-case hexadecimal digits"))?;
        let (photos, portraits) = (keys.file_name("photos")?, keys.file_name("portraits")?);
        let labels = keys.file_name("labels")?;
        let sums = read_sums(&dir.join(SUMS_FILE), digest)?;
        if !sums.contains_key(&labels) {
            return Err(PackError::FileMissing { path: dir.join(&labels) });
        }
        Ok(Self {
            name: keys.file_name("name")?,
            version: keys.text("version")?,
            source: keys.text("source")?,
            licence: keys.text("licence")?,
            photos_dir: dir.join(photos),
            portraits_dir: dir.join(portraits),
            labels: dir.join(labels),
            digest,
            dir: dir.to_owned(),
            sums,
        })
    }

    /// Hashes every file and looks for files that the list does not name: a photo that someone added is not part of
    /// the set, whatever its card says.
    ///
    /// # Errors
    ///
    /// - [`PackError::FileMissing`], [`PackError::FileUnreadable`], [`PackError::FileHash`] for the first file that is
    ///   not there, cannot be read or is another one.
    /// - [`PackError::Unlisted`] if the pack holds any other file or folder.
    pub fn verify(&self) -> Result<VerifiedPhotos, PackError> {
        for (name, expected) in &self.sums {
            let path = self.dir.join(name);
            let got = hash_file(&path)?;
            if got != *expected {
                return Err(PackError::FileHash { path, expected: hex(expected), got: hex(&got) });
            }
        }
        self.nothing_else(&self.dir, "")?;
        Ok(VerifiedPhotos {
            photos: self.listed_in(&self.photos_dir),
            portraits: self.listed_in(&self.portraits_dir),
            labels: self.labels.clone(),
            digest: self.digest,
        })
    }

    /// Refuses what the list does not name, below `dir`, whose relative path is `prefix` (with a slash at its end).
    fn nothing_else(&self, dir: &Path, prefix: &str) -> Result<(), PackError> {
        let unreadable = |source| PackError::FileUnreadable { path: dir.to_owned(), source };
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
            let folder = format!("{name}/");
            if path.is_dir() && self.sums.keys().any(|listed| listed.starts_with(&folder)) {
                self.nothing_else(&path, &folder)?;
            } else if !self.sums.contains_key(&name) && name != CARD_FILE && name != SUMS_FILE {
                return Err(PackError::Unlisted { path });
            }
        }
        Ok(())
    }

    fn listed_in(&self, folder: &Path) -> Vec<PathBuf> {
        self.sums.keys().map(|name| self.dir.join(name)).filter(|path| path.parent() == Some(folder)).collect()
    }
}

/// Reads `SHA256SUMS` (as `sha256sum` writes it) and compares its own hash with `digest`.
fn read_sums(path: &Path, digest: [u8; 32]) -> Result<BTreeMap<String, [u8; 32]>, PackError> {
    let bytes = fs::read(path).map_err(|source| unreadable(path, source))?;
    let got = sha256(&bytes);
    if got != digest {
        return Err(PackError::FileHash { path: path.to_owned(), expected: hex(&digest), got: hex(&got) });
    }
    let mut sums = BTreeMap::new();
    for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        let parts = line.split_once("  ").and_then(|(hash, name)| Some((parse_sha256(hash)?, name)));
        let malformed = || PackError::SumsLine { path: path.to_owned(), line: index + 1 };
        let (hash, name) = parts.filter(|(_, name)| is_relative(name)).ok_or_else(malformed)?;
        if sums.insert(name.to_owned(), hash).is_some() {
            return Err(malformed());
        }
    }
    Ok(sums)
}

fn hash_file(path: &Path) -> Result<[u8; 32], PackError> {
    File::open(path).and_then(sha256_of).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> PackError {
    match source.kind() {
        io::ErrorKind::NotFound => PackError::FileMissing { path: path.to_owned() },
        _ => PackError::FileUnreadable { path: path.to_owned(), source },
    }
}
