//! What opens a locked key ring: a passphrase from a file or from the terminal, or a data key from a command. And the
//! passphrases of witnesses.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assent::ledger::{RingLock, RingSecret};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::output::{Escaping, shown};
use crate::places;

/// The fewest characters of a new passphrase. Argon2 makes each guess cost a tenth of a second, and no more.
const CHARACTERS_AT_LEAST: usize = 12;

/// The most bytes of a file with a passphrase.
const PASSPHRASE_BYTES_MAX: u64 = 4096;

/// Why there is no secret.
#[derive(Debug, Error)]
pub(crate) enum SecretError {
    /// The file or the terminal.
    #[error("cannot read the passphrase from {}", from.display())]
    Read {
        /// The file, or the terminal.
        from: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// Nothing in it.
    #[error("the passphrase in {} is empty; write it there, on one line", from.display())]
    Empty {
        /// The file, or the terminal.
        from: PathBuf,
    },
    /// The file is too long to be a passphrase.
    #[error("{} is longer than a passphrase may be ({PASSPHRASE_BYTES_MAX} bytes); is it the right file?", from.display())]
    Long {
        /// The path of the file.
        from: PathBuf,
    },
    /// Too easily guessed.
    #[error(
        "this passphrase is too short. Use at least {CHARACTERS_AT_LEAST} characters, for example four unrelated words"
    )]
    Short,
    /// What was typed twice.
    #[error("the two passphrases differ; nothing was changed")]
    Differ,
    /// The command that unwraps the data key.
    #[error("cannot run the command that unwraps the data key")]
    Command(#[source] io::Error),
    /// It ran, and failed.
    #[error("the command that unwraps the data key failed ({status}); what it says about it is above")]
    Failed {
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// It said something else than a key.
    #[error("the command that unwraps the data key has to write the key, 32 bytes, and nothing else; it wrote {wrote}")]
    NoKey {
        /// The amount that the command wrote, in words.
        wrote: String,
    },
}

/// Who gives the secret of the key ring. What was given once is not asked for again.
#[derive(Clone, Debug)]
pub(crate) struct SecretProvider {
    file: Option<PathBuf>,
    command: Option<OsString>,
    given: RefCell<Vec<(RingLock, PathBuf, RingSecret)>>,
}

impl SecretProvider {
    /// `file` and `command` are the flags; the environment has them otherwise.
    pub(crate) fn new(file: Option<&Path>, command: Option<&str>) -> Self {
        Self { file: places::passphrase_file(file), command: places::key_command(command), given: RefCell::default() }
    }

    /// What opens these rings, as far as they are there, are locked, and somebody gives it.
    ///
    /// # Errors
    ///
    /// [`SecretError`] if somebody is asked and gives nothing of use. A ring that cannot be read is left to the ledger, and
    /// so is one that nobody can be asked about.
    pub(crate) fn secrets(&self, rings: &[&Path]) -> Result<Vec<RingSecret>, SecretError> {
        let mut secrets = Vec::new();
        for ring in rings {
            let lock = RingLock::of(ring).unwrap_or(RingLock::None);
            let known = |given: &[(RingLock, PathBuf, RingSecret)]| {
                let same = given.iter().find(|(of, path, _)| *of == lock && path == ring);
                same.map(|(.., secret)| secret.clone())
            };
            let earlier = known(&self.given.borrow());
            let secret = match earlier {
                Some(secret) => Some(secret),
                None => self.ask(&lock, ring)?,
            };
            if let Some(secret) = secret {
                self.given.borrow_mut().push((lock, (*ring).to_owned(), secret.clone()));
                secrets.push(secret);
            }
        }
        Ok(secrets)
    }

    fn ask(&self, lock: &RingLock, ring: &Path) -> Result<Option<RingSecret>, SecretError> {
        match lock {
            RingLock::None => Ok(None),
            RingLock::DataKey { wrapped } => {
                self.command.as_deref().map(|command| data_key(command, wrapped.clone())).transpose()
            }
            RingLock::Passphrase => match &self.file {
                Some(file) => from_file(file).map(Some),
                None if io::stdin().is_terminal() => {
                    typed(&format!("Passphrase of {}: ", ring.display())).map(RingSecret::Passphrase).map(Some)
                }
                None => Ok(None),
            },
        }
    }
}

/// A new passphrase of a key ring: from a file, or typed twice.
///
/// # Errors
///
/// As [`new_words`].
pub(crate) fn new_passphrase(file: Option<&Path>) -> Result<RingSecret, SecretError> {
    new_words(file, "New passphrase of the key ring: ").map(RingSecret::Passphrase)
}

/// A passphrase that somebody has: from a file, or typed; `None` without a file and a terminal.
///
/// # Errors
///
/// [`SecretError`] if it cannot be read or is empty.
pub(crate) fn words(file: Option<&Path>, question: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
    match file {
        Some(file) => read_line(file).map(Some),
        None if io::stdin().is_terminal() => typed(question).map(Some),
        None => Ok(None),
    }
}

/// Whether somebody can be asked.
pub(crate) fn at_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A new passphrase: from a file, or typed twice, after the `question` whose it is.
///
/// # Errors
///
/// [`SecretError`] if there is none, it is too short, or the two differ.
pub(crate) fn new_words(file: Option<&Path>, question: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let passphrase = if let Some(file) = file {
        read_line(file)?
    } else {
        // The rule first: whoever types twice and is refused then has typed in vain.
        let rule = format!("Use at least {CHARACTERS_AT_LEAST} characters, for example four unrelated words.");
        drop(writeln!(Escaping::new(io::stderr()), "{rule}"));
        let first = long_enough(typed(question)?)?;
        if *first != *typed("Once more: ")? {
            return Err(SecretError::Differ);
        }
        first
    };
    long_enough(passphrase)
}

fn long_enough(passphrase: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    if String::from_utf8_lossy(&passphrase).chars().count() < CHARACTERS_AT_LEAST {
        return Err(SecretError::Short);
    }
    Ok(passphrase)
}

/// The data key that `command` makes of `wrapped`. The command is a line for the shell.
///
/// # Errors
///
/// [`SecretError`] if it does not run, fails, or writes something else than 32 bytes.
pub(crate) fn data_key(command: &OsStr, wrapped: Vec<u8>) -> Result<RingSecret, SecretError> {
    let started = Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(SecretError::Command)?;
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(&wrapped) {
            // A command may have the key without reading.
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => return Err(SecretError::Command(e)),
            _ => {}
        }
    }
    // One more than a key has, so that a longer answer is seen, and none is read into memory that grows.
    let mut answer = Zeroizing::new([0; 33]);
    let mut bytes = 0;
    if let Some(mut output) = child.stdout.take() {
        while bytes < answer.len() {
            match output.read(&mut answer[bytes..]).map_err(SecretError::Command)? {
                0 => break,
                n => bytes += n,
            }
        }
    }
    let status = child.wait().map_err(SecretError::Command)?;
    if !status.success() && bytes <= 32 {
        return Err(SecretError::Failed { status });
    }
    if bytes != 32 {
        let wrote = if bytes > 32 { "more".to_owned() } else { format!("{bytes}") };
        return Err(SecretError::NoKey { wrote });
    }
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&answer[..32]);
    Ok(RingSecret::DataKey { key, wrapped })
}

fn from_file(file: &Path) -> Result<RingSecret, SecretError> {
    read_line(file).map(RingSecret::Passphrase)
}

/// The file's first line, which is all that may be in it.
///
/// # Errors
///
/// [`SecretError`] if it cannot be read, is empty or too long.
pub(crate) fn read_line(file: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let from = || file.to_owned();
    let opened = File::open(file).map_err(|source| SecretError::Read { from: from(), source })?;
    // Never more than that, whatever is named: a disk image, a device that has no end.
    let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX as usize + 1));
    let read = opened.take(PASSPHRASE_BYTES_MAX + 1).read_to_end(&mut line);
    read.map_err(|source| SecretError::Read { from: from(), source })?;
    if line.len() as u64 > PASSPHRASE_BYTES_MAX {
        return Err(SecretError::Long { from: from() });
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    if line.is_empty() { Err(SecretError::Empty { from: from() }) } else { Ok(line) }
}

/// Asks at the terminal, without showing what is typed.
fn typed(question: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let terminal = || PathBuf::from("the terminal");
    let mut text =
        rpassword::prompt_password(shown(question)).map_err(|source| SecretError::Read { from: terminal(), source })?;
    let line = Zeroizing::new(text.as_bytes().to_vec());
    text.zeroize();
    if line.is_empty() { Err(SecretError::Empty { from: terminal() }) } else { Ok(line) }
}
