//! Signed notes and the checkpoints that are written as notes: text that a public key vouches for.
//!
//! ```text
//! text, every line ended by a line feed
//!
//! — NAME BASE64(first 4 bytes of SHA-256(NAME | "\n" | 1 | public key) | Ed25519 signature of the text)
//! ```
//!
//! # Source
//!
//! C2SP signed-note v1 and tlog-checkpoint v1 (c2sp.org/signed-note, c2sp.org/tlog-checkpoint).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::merkle::Hash;

/// Ed25519, in the numbering of signed notes.
const ALGORITHM: u8 = 1;

/// The public key of a vault's log, with the vault's name. It is written as one line, `NAME+HASH+BASE64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    name: String,
    key: VerifyingKey,
}

/// Why a text is not vouched for, or no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not `NAME+HASH+BASE64`, or the parts do not fit together.
    #[error("this is no public key of a log; `assent audit key` prints one, on one line")]
    Key,
    /// No text, an empty line and signatures.
    #[error("this is no signed note: it has no text and signature with an empty line between")]
    Form,
    /// No signature by this key.
    #[error("this is not signed by the log whose key was given; ask whose log it is")]
    Unsigned,
    /// A signature by this key that does not fit the text.
    #[error("the signature does not fit: the text was changed after it was signed")]
    Changed,
    /// A note that holds no checkpoint.
    #[error("this is signed, and no checkpoint: its lines are not a log, a size and a root")]
    NoCheckpoint,
}

impl LogKey {
    fn hash(&self) -> [u8; 4] {
        let sum: Hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ALGORITHM])
            .chain_update(self.key.as_bytes())
            .finalize()
            .into();
        [sum[0], sum[1], sum[2], sum[3]]
    }

    /// The log's name, the first line of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key signed.
    ///
    /// # Errors
    ///
    /// - [`NoteError::Form`] if it is no note, [`NoteError::Unsigned`] if no signature is by this key.
    /// - [`NoteError::Changed`] if the signature does not fit.
    pub fn verify<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = &note[..=text.len()];
        let mine = signatures.lines().find_map(|line| {
            let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
            let bytes = STANDARD.decode(signature).ok()?;
            let (hash, signature) = bytes.split_first_chunk::<4>()?;
            (name == self.name && *hash == self.hash()).then(|| signature.to_vec())
        });
        let signature = mine.ok_or(NoteError::Unsigned)?;
        let signature = Signature::from_slice(&signature).map_err(|_| NoteError::Changed)?;
        self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::Changed)?;
        Ok(text)
    }
}

impl std::fmt::Display for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = self.hash();
        let key = STANDARD.encode([&[ALGORITHM], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{a:02x}{b:02x}{c:02x}{d:02x}+{key}", self.name)
    }
}

impl std::str::FromStr for LogKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.trim().split_once('+').ok_or(NoteError::Key)?;
        let (_, key) = rest.split_once('+').ok_or(NoteError::Key)?;
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let key = match bytes.split_first() {
            Some((&ALGORITHM, key)) => VerifyingKey::try_from(key).map_err(|_| NoteError::Key)?,
            _ => return Err(NoteError::Key),
        };
        let read = Self { name: name.to_owned(), key };
        // The hash of the name and the key in the middle, and nothing else about it.
        if read.to_string() == text.trim() { Ok(read) } else { Err(NoteError::Key) }
    }
}

/// A hash as texts write it.
pub(crate) fn hash_of(base64: &str) -> Option<Hash> {
    STANDARD.decode(base64).ok()?.try_into().ok()
}

/// Signs notes in the name of a log. Its key is wiped when dropped.
pub(crate) struct LogSigner {
    name: String,
    key: SigningKey,
}

impl LogSigner {
    pub(crate) fn new(name: String, seed: &[u8; 32]) -> Self {
        Self { name, key: SigningKey::from_bytes(seed) }
    }

    pub(crate) fn public(&self) -> LogKey {
        LogKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The note of a text, which ends in a line feed.
    pub(crate) fn sign(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes());
        let bytes = [self.public().hash().as_slice(), &signature.to_bytes()].concat();
        format!("{text}\n— {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

/// How a log stood at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, which stands in its key.
    pub name: String,
    /// How many leaves it had.
    pub size: u64,
    /// The Merkle root of the leaves (RFC 6962), SHA-256.
    pub root: Hash,
    /// How many erasures were complete.
    pub erasures: u64,
    /// How many consents were ever withdrawn.
    pub withdrawals: u64,
}

impl Checkpoint {
    /// The checkpoint in a note.
    ///
    /// # Errors
    ///
    /// As [`LogKey::verify`]; [`NoteError::NoCheckpoint`] if the text is none, or another log's.
    pub fn verify(note: &str, key: &LogKey) -> Result<Self, NoteError> {
        Self::parse(key.verify(note)?).filter(|read| read.name == key.name).ok_or(NoteError::NoCheckpoint)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (name, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let erasures = lines.next()?.strip_prefix("erasures ")?;
        let withdrawals = lines.next()?.strip_prefix("withdrawals ")?;
        let read = Self {
            name: name.to_owned(),
            size: size.parse().ok()?,
            root: hash_of(root)?,
            erasures: erasures.parse().ok()?,
            withdrawals: withdrawals.parse().ok()?,
        };
        (read.text() == text).then_some(read)
    }

    pub(crate) fn text(&self) -> String {
        let Self { name, size, root, erasures, withdrawals } = self;
        let root = STANDARD.encode(root);
        format!("{name}\n{size}\n{root}\nerasures {erasures}\nwithdrawals {withdrawals}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str, seed: u8) -> LogSigner {
        LogSigner::new(name.to_owned(), &[seed; 32])
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_signed_and_nothing_else_is() {
        let mine = signer("assent/one", 1);
        let key = mine.public();
        let here = Checkpoint { name: "assent/one".into(), size: 7, root: [9; 32], erasures: 3, withdrawals: 4 };
        let note = mine.sign(&here.text());
        assert_eq!(Checkpoint::verify(&note, &key), Ok(here.clone()));
        let with = |from: &str, to: &str| note.replacen(from, to, 1);
        let other_log = mine.sign(&Checkpoint { name: "assent/two".into(), ..here.clone() }.text());
        let cases = [
            ("another size", with("\n7\n", "\n8\n"), NoteError::Changed),
            ("another root", with("CQkJ", "CAkJ"), NoteError::Changed),
            ("a line more", with("\n\n", "\nmore\n\n"), NoteError::Changed),
            ("other erasures", with("erasures 3", "erasures 2"), NoteError::Changed),
            ("no signature", here.text(), NoteError::Form),
            ("an empty text", String::new(), NoteError::Form),
            ("another's signature", signer("assent/one", 2).sign(&here.text()), NoteError::Unsigned),
            ("the name of another", with("— assent/one", "— assent/two"), NoteError::Unsigned),
            ("a cut signature", note[..note.len() - 9].to_owned(), NoteError::Changed),
            ("another log's", other_log, NoteError::NoCheckpoint),
            ("no checkpoint", mine.sign("assent/one\nmany\n"), NoteError::NoCheckpoint),
            (
                "a size with a zero before it",
                mine.sign(&here.text().replace("\n7\n", "\n07\n")),
                NoteError::NoCheckpoint,
            ),
        ];
        for (name, note, expected) in cases {
            assert_eq!(Checkpoint::verify(&note, &key), Err(expected), "{name}: {note}");
        }
        let twice = format!("{note}— assent/witness AAAAAAAA\n");
        assert_eq!(Checkpoint::verify(&twice, &key), Ok(here), "a witness's signature below ours");
    }

    #[test]
    fn a_key_is_one_line_and_a_changed_one_is_none() {
        let key = signer("assent/one", 1).public();
        let line = key.to_string();
        assert_eq!(line.parse(), Ok(key));
        let other: Result<LogKey, _> = line.replace("one", "two").parse();
        assert_eq!(other, Err(NoteError::Key), "the hash is of the name too");
        for text in ["", "assent/one", "assent/one+00000000+AQ==", &line[1..], &line[..line.len() - 4]] {
            assert_eq!(text.parse::<LogKey>(), Err(NoteError::Key), "{text}");
        }
    }
}
