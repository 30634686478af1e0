//! Fetching one file whose address, size and hash are known beforehand.
//!
//! The file appears under its name only when it is whole, on disk and the right one. Until then it is
//! `.<name>.part` in the same folder; a run that fails removes it, and one that is killed leaves it for the next to
//! overwrite.
//!
//! # Invariants
//!
//! - **Only HTTPS**, redirects included. An address on the loopback interface may be plain HTTP.
//! - **Never more than the expected size** is read or written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use assent::packs::hex;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use thiserror::Error;
use ureq::http::Uri;

/// The most redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// The longest silence of a server that is waited for.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where it is.
    pub(crate) url: String,
    /// Its name in the folder.
    pub(crate) name: String,
    /// Its size, bytes.
    pub(crate) bytes: u64,
    /// The SHA-256 of the whole file.
    pub(crate) sha256: [u8; 32],
}

/// Why a file was not fetched. Nothing is left behind.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    /// The address, or one that it was redirected to, is no HTTPS address.
    #[error("{url} is no https address, so nothing was fetched from it")]
    NotSecure {
        /// The address (URL) from which the file was fetched.
        url: String,
    },
    /// The server could not be reached or gave no answer.
    #[error("cannot reach {url}: check the network and the proxy settings")]
    Unreachable {
        /// The address (URL) from which the file was fetched.
        url: String,
        /// The error of the HTTP client.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The server answered with something else than the file.
    #[error("{url} answered with HTTP status {status}, not with the file")]
    Status {
        /// The address (URL) from which the file was fetched.
        url: String,
        /// The HTTP status code.
        status: u16,
    },
    /// More redirects than [`REDIRECTS_MAX`], or one to nowhere.
    #[error("{url} redirects too often or to nowhere")]
    Redirects {
        /// The address that was asked first.
        url: String,
    },
    /// The connection broke.
    #[error("the connection to {url} broke after {got} of {expected} bytes: run the command again")]
    Broken {
        /// The address (URL) from which the file was fetched.
        url: String,
        /// The length that was expected, bytes.
        expected: u64,
        /// The length that was received, bytes.
        got: u64,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file is larger or smaller than expected.
    #[error("{url} gave {got} bytes where {expected} were expected, so it was thrown away")]
    Size {
        /// The address (URL) from which the file was fetched.
        url: String,
        /// The length that was expected, bytes.
        expected: u64,
        /// Bytes received or announced.
        got: u64,
    },
    /// The file is another one.
    #[error("{url} has sha256 {got} where {expected} was expected, so it was thrown away")]
    Hash {
        /// The address (URL) from which the file was fetched.
        url: String,
        /// 64 hexadecimal digits.
        expected: String,
        /// 64 hexadecimal digits.
        got: String,
    },
    /// Another process is fetching the same file.
    #[error("another process is writing {}: wait for it to end", path.display())]
    Busy {
        /// The temporary file.
        path: PathBuf,
    },
    /// The file could not be written.
    #[error("cannot write {}: check the free space and the permissions", path.display())]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// Fetches `wanted` into the folder `dir`, which exists, and advances `bar` by each byte.
///
/// # Errors
///
/// Each variant of [`FetchError`] says when; a file that was there before is still there after any of them.
pub(crate) fn fetch(wanted: &Wanted, dir: &Path, bar: &ProgressBar) -> Result<(), FetchError> {
    let mut part = Part::create(dir, &wanted.name)?;
    let mut body = open(&wanted.url)?;
    let wrong_size = |got| FetchError::Size { url: wanted.url.clone(), expected: wanted.bytes, got };
    if let Some(with_hook) = body.content_length().filter(|with_hook| *with_hook != wanted.bytes) {
        return Err(wrong_size(with_hook));
    }
    let mut reader = body.as_reader().take(wanted.bytes + 1);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut got = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                let (url, expected) = (wanted.url.clone(), wanted.bytes);
                return Err(FetchError::Broken { url, expected, got, source });
            }
        };
        got += read as u64;
        hasher.update(&buffer[..read]);
        part.write(&buffer[..read])?;
        bar.inc(read as u64);
    }
    if got != wanted.bytes {
        return Err(wrong_size(got));
    }
    let hash: [u8; 32] = hasher.finalize().into();
    if hash != wanted.sha256 {
        let (expected, got) = (hex(&wanted.sha256), hex(&hash));
        return Err(FetchError::Hash { url: wanted.url.clone(), expected, got });
    }
    part.keep()
}

/// Writes `bytes` as the file `name` in the folder `dir`, whole or not at all.
///
/// # Errors
///
/// - [`FetchError::Busy`], [`FetchError::Write`] as their names say.
pub(crate) fn place(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), FetchError> {
    let mut part = Part::create(dir, name)?;
    part.write(bytes)?;
    part.keep()
}

/// Asks for `start` and follows its redirects.
fn open(start: &str) -> Result<ureq::Body, FetchError> {
    let plain_allowed = is_plain_loopback(start);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(SILENCE_MAX))
        .timeout_recv_response(Some(SILENCE_MAX))
        .timeout_per_read(Some(SILENCE_MAX))
        .user_agent(concat!("assent/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut url = start.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let loopback = is_plain_loopback(&url);
        if !(is_https(&url) || plain_allowed && loopback) {
            return Err(FetchError::NotSecure { url });
        }
        let mut request = agent.get(&url).config();
        if loopback {
            request = request.proxy(None);
        }
        let response = match request.build().call() {
            Ok(response) => response,
            Err(source) => {
                return Err(FetchError::Unreachable { url, source: Box::new(source) });
            }
        };
        match response.status().as_u16() {
            200 => return Ok(response.into_body()),
            301 | 302 | 303 | 307 | 308 => {
                let location = response.headers().get("location").and_then(|value| value.to_str().ok());
                url = location
                    .and_then(|location| resolve(&url, location))
                    .ok_or_else(|| FetchError::Redirects { url: start.to_owned() })?;
            }
            status => return Err(FetchError::Status { url, status }),
        }
    }
    Err(FetchError::Redirects { url: start.to_owned() })
}

/// The address that `location` means on a page at `url`: an absolute one, or a path on the same server.
fn resolve(url: &str, location: &str) -> Option<String> {
    if !location.starts_with('/') || location.starts_with("//") {
        return location.contains("://").then(|| location.to_owned());
    }
    let uri: Uri = url.parse().ok()?;
    Some(format!("{}://{}{location}", uri.scheme_str()?, uri.authority()?))
}

fn is_https(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some())
}

/// Whether `url` is plain HTTP to this very machine.
fn is_plain_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    here && uri.scheme_str() == Some("http")
}

/// A file in the making. Dropped before [`Part::keep`], it is removed.
struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Part {
    fn create(dir: &Path, name: &str) -> Result<Self, FetchError> {
        let path = dir.join(format!(".{name}.part"));
        let failed = |source| FetchError::Write { path: path.clone(), source };
        // Not truncated before the lock is held: another process may be writing it.
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        Ok(Self { file, path, target: dir.join(name), kept: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let path = &self.path;
        self.file.write_all(bytes).map_err(|source| FetchError::Write { path: path.clone(), source })
    }

    /// Gives the file its name, after its bytes are on disk.
    fn keep(mut self) -> Result<(), FetchError> {
        let done = self
            .file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, &self.target))
            .and_then(|()| sync_folder(self.target.parent()));
        self.kept = done.is_ok();
        done.map_err(|source| FetchError::Write { path: self.target.clone(), source })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody reads a part; where it cannot be removed, the next run overwrites it.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Makes a rename in `dir` last. Only Unix lets a program open a folder for that.
pub(crate) fn sync_folder(dir: Option<&Path>) -> io::Result<()> {
    match dir {
        Some(dir) if cfg!(unix) => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for (url, https, loopback) in [
            ("https://example.org/a", true, false),
            ("http://example.org/a", false, false),
            ("http://127.0.0.1:80/a", false, true),
            ("http://[::1]:80/a", false, true),
            ("http://localhost/a", false, true),
            ("http://localhost.example.org/a", false, false),
            ("http://127.0.0.1@example.org/a", false, false),
            ("http://10.0.0.1/a", false, false),
            ("file:///a", false, false),
            ("ftp://127.0.0.1/a", false, false),
            ("https:///a", false, false),
            ("a", false, false),
        ] {
            assert_eq!((is_https(url), is_plain_loopback(url)), (https, loopback), "{url}");
        }
    }

    #[test]
    fn redirects_are_resolved() {
        for (location, expected) in [
            ("https://other.org/b", Some("https://other.org/b")),
            ("/b?c", Some("https://a.org:1/b?c")),
            ("//other.org/b", None),
            ("b", None),
            ("", None),
        ] {
            assert_eq!(resolve("https://a.org:1/x", location).as_deref(), expected, "{location}");
        }
    }
}
