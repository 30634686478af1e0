//! Where packs, the inference library, the vault and its keys lie: the flag, else the environment, else the user's data folder.
//!
//! This module alone reads these environment variables:
//!
//! - `ASSENT_PACKS`: one or more folders (separated as in `PATH`) with packs.
//! - `ASSENT_RUNTIME`: the folder of the inference library.
//! - `ASSENT_VAULT`: the vault's folder.
//! - `ASSENT_KEY_RING`: the key ring's file.
//! - `ASSENT_PASSPHRASE_FILE`: the file with the key ring's passphrase.
//! - `ASSENT_KEY_COMMAND`: the command that unwraps the key ring's data key.
//! - `ASSENT_DATABASE_PASSWORD`, `ASSENT_DATABASE_PASSWORD_FILE`: the password of the PostgreSQL database, or the file with it.
//! - `PATH`: where the system's program for HEIC and AVIF is.
//! - `XDG_DATA_HOME`, `XDG_CACHE_HOME`, `HOME`: where the user's data and cache folders are.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use assent::heif::{HeifProgram, PhotoDecoder};
use thiserror::Error;
use zeroize::Zeroizing;

const DATABASE_PASSWORD: &str = "ASSENT_DATABASE_PASSWORD";
const DATABASE_PASSWORD_FILE: &str = "ASSENT_DATABASE_PASSWORD_FILE";

/// Why no folder could be named.
#[derive(Debug, Error)]
pub(crate) enum PlacesError {
    /// No flag, no variable and no home folder.
    #[error("there is no folder for {what}: name one with {flag} or {variable} (HOME is not set either)")]
    Nowhere {
        /// What is looked for.
        what: &'static str,
        /// The flag that names it.
        flag: &'static str,
        /// The variable that names it.
        variable: &'static str,
    },
}

/// The folders that hold packs, in the order in which they are searched. The first is where new ones go.
///
/// # Errors
///
/// - [`PlacesError::Nowhere`] if neither the flag nor a variable names one.
pub(crate) fn pack_roots(flag: Option<&Path>) -> Result<Vec<PathBuf>, PlacesError> {
    let from_env = || variable("ASSENT_PACKS").map(|value| env::split_paths(&value).collect());
    flag.map(|dir| vec![dir.to_owned()])
        .or_else(from_env)
        .or_else(|| Some(vec![user_data()?.join("packs")]))
        .ok_or(PlacesError::Nowhere { what: "packs", flag: "--packs", variable: "ASSENT_PACKS" })
}

/// The folder that holds `onnxruntime/capi`.
///
/// # Errors
///
/// - [`PlacesError::Nowhere`] if neither the flag nor a variable names one.
pub(crate) fn runtime_dir(flag: Option<&Path>) -> Result<PathBuf, PlacesError> {
    flag.map(Path::to_owned)
        .or_else(|| variable("ASSENT_RUNTIME").map(PathBuf::from))
        .or_else(|| Some(user_data()?.join("runtime")))
        .ok_or(PlacesError::Nowhere { what: "the inference library", flag: "--runtime", variable: "ASSENT_RUNTIME" })
}

/// The vault's folder.
///
/// # Errors
///
/// - [`PlacesError::Nowhere`] if neither the flag nor a variable names one.
pub(crate) fn vault_dir(flag: Option<&Path>) -> Result<PathBuf, PlacesError> {
    flag.map(Path::to_owned)
        .or_else(|| variable("ASSENT_VAULT").map(PathBuf::from))
        .or_else(|| Some(user_data()?.join("vault")))
        // Whole, so that a message says where it was looked for.
        .map(|dir| std::path::absolute(&dir).unwrap_or(dir))
        .ok_or(PlacesError::Nowhere { what: "the vault", flag: "--vault", variable: "ASSENT_VAULT" })
}

/// The key ring's file, if it is named and not derived from the vault.
pub(crate) fn key_ring(flag: Option<&Path>) -> Option<PathBuf> {
    flag.map(Path::to_owned).or_else(|| variable("ASSENT_KEY_RING").map(PathBuf::from))
}

/// The file with the key ring's passphrase, if one is named.
pub(crate) fn passphrase_file(flag: Option<&Path>) -> Option<PathBuf> {
    flag.map(Path::to_owned).or_else(|| variable("ASSENT_PASSPHRASE_FILE").map(PathBuf::from))
}

/// The command that unwraps the key ring's data key, if one is named.
pub(crate) fn key_command(flag: Option<&str>) -> Option<OsString> {
    flag.map(OsString::from).or_else(|| variable("ASSENT_KEY_COMMAND"))
}

/// The password of the database, if the environment has it.
pub(crate) fn database_password() -> Option<Zeroizing<Vec<u8>>> {
    variable(DATABASE_PASSWORD).map(|password| Zeroizing::new(password.into_encoded_bytes()))
}

/// The file with the password of the database, if one is named.
pub(crate) fn database_password_file() -> Option<PathBuf> {
    variable(DATABASE_PASSWORD_FILE).map(PathBuf::from)
}

/// Where the password of the database was taken from, in words.
pub(crate) fn database_password_source() -> &'static str {
    if database_password().is_some() { DATABASE_PASSWORD } else { "the file that ASSENT_DATABASE_PASSWORD_FILE names" }
}

/// The folder of key rings, apart from every vault, so that no copy of a vault holds its keys.
///
/// # Errors
///
/// - [`PlacesError::Nowhere`] if there is no home folder.
pub(crate) fn key_rings_dir() -> Result<PathBuf, PlacesError> {
    Ok(user_data()
        .ok_or(PlacesError::Nowhere { what: "the key ring", flag: "--key-ring", variable: "ASSENT_KEY_RING" })?
        .join("keys"))
}

/// Where networks that are made from those of the pack in `pack` are kept: there, or in the user's cache.
pub(crate) fn network_dirs(pack: &Path) -> Vec<PathBuf> {
    let cache = user_folder("XDG_CACHE_HOME", ".cache").map(|dir| dir.join("networks"));
    [Some(pack.to_owned()), cache].into_iter().flatten().collect()
}

/// The system's program that decodes HEIC and AVIF, by either of its names, if one is installed.
pub(crate) fn heif_program() -> Option<HeifProgram> {
    let folders: Vec<PathBuf> = variable("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let absolute = |dir: &&PathBuf| dir.is_absolute();
    let found = ["heif-dec", "heif-convert"]
        .into_iter()
        .find_map(|name| folders.iter().filter(absolute).map(|dir| dir.join(name)).find(|program| program.is_file()))?;
    Some(HeifProgram::new(found, env::temp_dir()))
}

/// What decodes photos when they are handed out.
pub(crate) fn photo_decoder() -> PhotoDecoder {
    PhotoDecoder { heif: heif_program(), ..PhotoDecoder::default() }
}

/// `$XDG_DATA_HOME/assent`, or `~/.local/share/assent`.
fn user_data() -> Option<PathBuf> {
    user_folder("XDG_DATA_HOME", ".local/share")
}

/// Assent's folder in the one that `xdg` names, or in `otherwise` below the home folder. A relative path in `xdg` is
/// ignored, as its specification asks.
fn user_folder(xdg: &str, otherwise: &str) -> Option<PathBuf> {
    let named = variable(xdg).map(PathBuf::from).filter(|dir| dir.is_absolute());
    named.or_else(|| Some(Path::new(&variable("HOME")?).join(otherwise))).map(|dir| dir.join("assent"))
}

/// A variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the binary is the only reader of the environment (I10)")]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
