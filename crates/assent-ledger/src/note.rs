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

/// What a key of a log vouches for. Each has a key of its own, so that none can be taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRole {
    /// How the log stands: checkpoints, and from where it goes on after a restore.
    Checkpoints,
    /// Certificates of erasure, and the list of them.
    Certificates,
    /// Receipts of consents.
    Receipts,
    /// Evidence for an authority.
    Evidence,
}

impl KeyRole {
    const ALL: [Self; 4] = [Self::Checkpoints, Self::Certificates, Self::Receipts, Self::Evidence];

    /// What stands behind the log's name in the name of the key.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Checkpoints => "",
            Self::Certificates => "/certificates",
            Self::Receipts => "/receipts",
            Self::Evidence => "/evidence",
        }
    }

    fn of_name(name: &str) -> Self {
        let of = Self::ALL.into_iter().find(|role| *role != Self::Checkpoints && name.ends_with(role.suffix()));
        of.unwrap_or(Self::Checkpoints)
    }
}

/// A public key, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicKey {
    name: String,
    key: VerifyingKey,
}

/// The public keys of a vault's log, published together. Each is written as one line, `NAME+HASH+BASE64`; the keys for
/// checkpoints come first, the oldest of them at the top: there is another one after each restore from a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeys {
    /// At least one.
    keys: Vec<PublicKey>,
}

/// Why a text is not vouched for, or no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not `NAME+HASH+BASE64`, or the parts do not fit together.
    #[error("this is no public key of a log")]
    Key,
    /// No text, an empty line and signatures.
    #[error("this is not a signed note: no blank line stands before its signatures")]
    Form,
    /// No signature by this key.
    #[error("this is not signed with a key that was given for it; ask whose log it is, and for all keys of that log")]
    Unsigned,
    /// A signature by this key that does not fit the text.
    #[error("the signature does not fit: the text was changed after it was signed")]
    Changed,
    /// A note that holds no checkpoint.
    #[error("this is signed, and no checkpoint: its lines are not a log, a size and a root")]
    NoCheckpoint,
}

impl PublicKey {
    fn hash(&self) -> [u8; 4] {
        let sum: Hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ALGORITHM])
            .chain_update(self.key.as_bytes())
            .finalize()
            .into();
        [sum[0], sum[1], sum[2], sum[3]]
    }

    fn role(&self) -> KeyRole {
        KeyRole::of_name(&self.name)
    }

    /// Whether it may vouch for this. The first key of a log vouched for everything, before vault format 9.
    fn vouches_for(&self, role: KeyRole) -> bool {
        self.role() == role || (self.role() == KeyRole::Checkpoints && self.name.matches('/').count() == 1)
    }

    /// Reads one line.
    fn read(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('+')?;
        let (_, key) = rest.split_once('+')?;
        let key = match STANDARD.decode(key).ok()?.split_first() {
            Some((&ALGORITHM, key)) => VerifyingKey::try_from(key).ok()?,
            _ => return None,
        };
        // The hash of the name and the key in the middle, and nothing else about it.
        Some(Self { name: name.to_owned(), key }).filter(|read| read.to_string() == line)
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = self.hash();
        let key = STANDARD.encode([&[ALGORITHM], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{a:02x}{b:02x}{c:02x}{d:02x}+{key}", self.name)
    }
}

/// The first line of a signed list of keys.
const KEYS_TITLE: &str = "assent log keys v1\n";

impl LogKeys {
    pub(crate) fn of(signers: &[LogSigner]) -> Self {
        Self { keys: signers.iter().map(LogSigner::public).collect() }
    }

    /// The log's name as its newest checkpoints have it.
    pub fn name(&self) -> &str {
        let newest = self.keys.iter().rfind(|key| key.role() == KeyRole::Checkpoints);
        newest.or(self.keys.first()).map_or("", |key| &key.name)
    }

    /// Whether one of these keys is for checkpoints of a log of this name.
    pub(crate) fn is_log(&self, name: &str) -> bool {
        let of_log = |key: &&PublicKey| key.role() == KeyRole::Checkpoints;
        let mut logs = self.keys.iter().filter(of_log).peekable();
        // Whoever has the key for certificates alone knows the log by the first part of its name.
        match logs.peek() {
            Some(_) => logs.any(|key| key.name == name),
            None => self.keys.iter().any(|key| name.split('/').take(2).eq(key.name.split('/').take(2))),
        }
    }

    /// The keys that are for this alone.
    #[must_use]
    pub fn for_role(&self, role: KeyRole) -> Self {
        Self { keys: self.keys.iter().filter(|key| key.role() == role).cloned().collect() }
    }

    /// The text of a note that one of these keys signed which vouches for `role`.
    ///
    /// # Errors
    ///
    /// - [`NoteError::Form`] if it is no note, [`NoteError::Unsigned`] if no signature is by such a key.
    /// - [`NoteError::Changed`] if the signature does not fit.
    pub fn verify<'n>(&self, role: KeyRole, note: &'n str) -> Result<&'n str, NoteError> {
        self.signed(role, note).map(|(text, _)| text)
    }

    /// The same, with the name of the key.
    fn signed<'n>(&self, role: KeyRole, note: &'n str) -> Result<(&'n str, &str), NoteError> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = &note[..=text.len()];
        let found = signatures.lines().find_map(|line| {
            let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
            let bytes = STANDARD.decode(signature).ok()?;
            let (hash, signature) = bytes.split_first_chunk::<4>()?;
            let of = |key: &&PublicKey| key.vouches_for(role) && name == key.name && *hash == key.hash();
            self.keys.iter().find(of).map(|key| (key, signature.to_vec()))
        });
        let (key, signature) = found.ok_or(NoteError::Unsigned)?;
        let signature = Signature::from_slice(&signature).map_err(|_| NoteError::Changed)?;
        key.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::Changed)?;
        Ok((text, &key.name))
    }

    /// The keys in a signed list, if one of these for checkpoints signed it: so whoever has one key of a log gets the others,
    /// and those that come after a restore.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`]; [`NoteError::Key`] if it is no list of keys.
    pub fn learn(&self, list: &str) -> Result<Self, NoteError> {
        let text = self.verify(KeyRole::Checkpoints, list)?;
        text.strip_prefix(KEYS_TITLE).ok_or(NoteError::Key)?.parse()
    }
}

impl std::fmt::Display for LogKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.keys.iter().map(PublicKey::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::str::FromStr for LogKeys {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let keys: Option<Vec<PublicKey>> = text.trim().lines().map(PublicKey::read).collect();
        keys.filter(|keys| !keys.is_empty()).map(|keys| Self { keys }).ok_or(NoteError::Key)
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

    fn public(&self) -> PublicKey {
        PublicKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The note of a text, which ends in a line feed.
    pub(crate) fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.signature(text))
    }

    fn signature(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes());
        let bytes = [self.public().hash().as_slice(), &signature.to_bytes()].concat();
        format!("— {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

/// The list of all keys of a log, signed by those for checkpoints.
pub(crate) fn sign_keys(all: &[LogSigner]) -> String {
    let text = format!("{KEYS_TITLE}{}\n", LogKeys::of(all));
    let logs = all.iter().filter(|signer| KeyRole::of_name(&signer.name) == KeyRole::Checkpoints);
    let signatures: Vec<String> = logs.map(|signer| signer.signature(&text)).collect();
    format!("{text}\n{}", signatures.concat())
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
    /// As [`LogKeys::verify`]; [`NoteError::NoCheckpoint`] if the text is none, or another log's.
    pub fn verify(note: &str, keys: &LogKeys) -> Result<Self, NoteError> {
        let (text, name) = keys.signed(KeyRole::Checkpoints, note)?;
        Self::parse(text).filter(|read| read.name == name).ok_or(NoteError::NoCheckpoint)
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

    /// The root as texts write it.
    pub(crate) fn root_text(&self) -> String {
        STANDARD.encode(self.root)
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
        let key = LogKeys::of(std::slice::from_ref(&mine));
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
        let key = LogKeys::of(&[signer("assent/one", 1)]);
        let line = key.to_string();
        assert_eq!(line.parse(), Ok(key));
        let other: Result<LogKeys, _> = line.replace("one", "two").parse();
        assert_eq!(other, Err(NoteError::Key), "the hash is of the name too");
        for text in ["", "assent/one", "assent/one+00000000+AQ==", &line[1..], &line[..line.len() - 4]] {
            assert_eq!(text.parse::<LogKeys>(), Err(NoteError::Key), "{text}");
        }
    }

    #[test]
    fn each_key_vouches_for_its_own_and_the_first_of_a_log_for_all() {
        let names = ["assent/one", "assent/one/00ff", "assent/one/certificates", "assent/one/receipts"];
        let signers: Vec<LogSigner> = (1..).zip(names).map(|(seed, name)| signer(name, seed)).collect();
        let keys = LogKeys::of(&signers);
        let cases = [
            (0, KeyRole::Checkpoints, true),
            (0, KeyRole::Certificates, true),
            (1, KeyRole::Checkpoints, true),
            (1, KeyRole::Certificates, false),
            (2, KeyRole::Certificates, true),
            (2, KeyRole::Checkpoints, false),
            (2, KeyRole::Receipts, false),
            (3, KeyRole::Receipts, true),
            (3, KeyRole::Evidence, false),
        ];
        for (by, role, holds) in cases {
            let read = keys.verify(role, &signers[by].sign("text\n")).map(str::to_owned);
            assert_eq!(read, if holds { Ok("text\n".to_owned()) } else { Err(NoteError::Unsigned) }, "{by} {role:?}");
        }
        assert_eq!(keys.name(), "assent/one/00ff");
    }

    #[test]
    fn whoever_has_one_key_for_checkpoints_learns_the_others_from_the_signed_list() {
        let all = [signer("assent/one", 1), signer("assent/one/00ff", 2), signer("assent/one/receipts", 3)];
        let list = sign_keys(&all);
        for (n, learns) in [(0, true), (1, true), (2, false)] {
            let known = LogKeys::of(&all[n..=n]);
            assert_eq!(known.learn(&list).ok(), learns.then(|| LogKeys::of(&all)), "{n}");
        }
        let stranger = LogKeys::of(&[signer("assent/one", 9)]);
        assert_eq!(stranger.learn(&list), Err(NoteError::Unsigned));
        let changed = list.replace("receipts", "evidence");
        assert_eq!(LogKeys::of(&all[..1]).learn(&changed), Err(NoteError::Changed));
    }
}
