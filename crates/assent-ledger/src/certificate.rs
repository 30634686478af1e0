//! Certificates of erasure: what a person holds in their hand when everything about them is gone, and what anybody can
//! check with the log's public key alone. The form is described in `docs/formats/certificate.md`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::id::{SubjectId, Timestamp};
use crate::log::{EventKind, Leaf, commitment};
use crate::merkle::{Hash, leaf_hash};
use crate::note::{KeyRole, LogKeys, NoteError, hash_of};
use crate::proof::includes;

const TITLE: &str = "assent erasure certificate v1";

/// Backups of the key ring are destroyed within 30 days (`docs/formats/keyring.md`): until then an older one still holds
/// the key.
pub(crate) const KEY_RING_BACKUPS_MS: i64 = 30 * 24 * 3600 * 1000;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Who. The id is random and says nothing by itself.
    pub subject: SubjectId,
    /// When the rows went.
    pub erased: Timestamp,
    /// When the key was gone.
    pub key_destroyed: Timestamp,
    /// Until when an older backup of the key ring may still hold the key.
    pub key_ring_backups_until: Timestamp,
    /// With this salt the commitment of the first leaf is `SHA-256(salt | subject id)`.
    pub intent_salt: [u8; 32],
    /// The leaf that says that the erasure began, and the way from it to the root.
    pub intent: (Leaf, Vec<Hash>),
    /// The leaf that says that the key is gone, and the way from it to the root.
    pub done: (Leaf, Vec<Hash>),
    /// The log in which both stand: its name, size and root.
    pub log: (String, u64, Hash),
}

/// Why a text certifies nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The log did not sign it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Signed, and no certificate.
    #[error(
        "this is signed, and no certificate of erasure that this version can read: its {line} line is missing or wrong"
    )]
    Form {
        /// The name of the line that is missing or malformed.
        line: &'static str,
    },
    /// Signed, and it contradicts itself.
    #[error("this certificate does not hold: {what}")]
    Contradiction {
        /// What does not fit.
        what: &'static str,
    },
}

impl Certificate {
    /// Reads a certificate and checks all that can be checked with the log's public key: the signature, that both leaves
    /// stand in the log, that they are an erasure's, of this subject, at these times.
    ///
    /// # Errors
    ///
    /// - [`CertificateError::Note`] if this log did not sign the text as it is.
    /// - [`CertificateError::Form`] if a line is missing or wrong.
    /// - [`CertificateError::Contradiction`] if the parts do not fit together.
    pub fn verify(note: &str, keys: &LogKeys) -> Result<Self, CertificateError> {
        let text = keys.verify(KeyRole::Certificates, note)?;
        let read = Self::parse(text).map_err(|line| CertificateError::Form { line })?;
        let wrong = |what| Err(CertificateError::Contradiction { what });
        let Self { log: (name, size, root), intent, done, .. } = &read;
        if !keys.is_log(name) {
            return wrong("it is about another log than the one that signed it");
        }
        for (leaf, path) in [intent, done] {
            let hash = leaf_hash(&leaf.to_bytes());
            if !includes(hash, leaf.position, *size, path, root) {
                return wrong("one of its leaves does not stand in the log");
            }
        }
        if intent.0.kind != EventKind::ErasureIntent || done.0.kind != EventKind::ErasureDone {
            return wrong("its leaves are not those of an erasure");
        }
        if intent.0.commitments != [commitment(&read.intent_salt, read.subject.as_bytes())] {
            return wrong("the erasure in the log is another person's");
        }
        if done.0.public != intent.0.position.to_be_bytes() {
            return wrong("the key that was destroyed belongs to another erasure");
        }
        if intent.0.time != read.erased || done.0.time != read.key_destroyed {
            return wrong("its times are not those in the log");
        }
        Ok(read)
    }

    pub(crate) fn text(&self) -> String {
        let line = |(leaf, path): &(Leaf, Vec<Hash>)| {
            let hashes = path.iter().map(|hash| STANDARD.encode(hash));
            std::iter::once(STANDARD.encode(leaf.to_bytes())).chain(hashes).collect::<Vec<_>>().join(" ")
        };
        let (name, size, root) = &self.log;
        format!(
            "{TITLE}\n\
             subject {}\n\
             erased {}\n\
             key-destroyed {}\n\
             key-ring-backups-until {}\n\
             begun-salt {}\n\
             begun {}\n\
             done {}\n\
             log {name} {size} {}\n",
            self.subject,
            instant(self.erased),
            instant(self.key_destroyed),
            instant(self.key_ring_backups_until),
            STANDARD.encode(self.intent_salt),
            line(&self.intent),
            line(&self.done),
            STANDARD.encode(root),
        )
    }

    /// The certificate in a text, or the name of the first line that is not as it should be.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Err("first");
        }
        let mut value =
            |name: &'static str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' ')).ok_or(name);
        let (subject, erased, destroyed) = (value("subject")?, value("erased")?, value("key-destroyed")?);
        let (until, salt) = (value("key-ring-backups-until")?, value("begun-salt")?);
        let (begun, done, log) = (value("begun")?, value("done")?, value("log")?);
        let mut log = log.split(' ');
        let mut log = || Some((log.next()?.to_owned(), log.next()?.parse().ok()?, hash_of(log.next()?)?));
        let read = Self {
            subject: subject.parse().map_err(|_| "subject")?,
            erased: moment(erased).ok_or("erased")?,
            key_destroyed: moment(destroyed).ok_or("key-destroyed")?,
            key_ring_backups_until: moment(until).ok_or("key-ring-backups-until")?,
            intent_salt: hash_of(salt).ok_or("begun-salt")?,
            intent: leaf_and_path(begun).ok_or("begun")?,
            done: leaf_and_path(done).ok_or("done")?,
            log: log().ok_or("log")?,
        };
        // One text for one certificate: no second way to write a number, and nothing after the last line.
        if read.text() == text { Ok(read) } else { Err("last") }
    }
}

fn leaf_and_path(text: &str) -> Option<(Leaf, Vec<Hash>)> {
    let mut parts = text.split(' ');
    let leaf = Leaf::from_bytes(&STANDARD.decode(parts.next()?).ok()?)?;
    Some((leaf, parts.map(hash_of).collect::<Option<_>>()?))
}

/// As RFC 3339 writes it, in UTC.
fn instant(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.0).map_or_else(|_| time.0.to_string(), |t| t.to_string())
}

fn moment(text: &str) -> Option<Timestamp> {
    Some(Timestamp(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()))
}
