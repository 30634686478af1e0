//! The leaves of the transparency log: what one says in public, and the commitments to what it does not.
//!
//! The bytes are described in `docs/formats/log.md`. A leaf carries its own position, so that two leaves that change
//! places are found at their places.

use sha2::{Digest, Sha256};

use crate::actor::{Actor, Role, Via};
use crate::fields::Reader;
use crate::id::{AccountId, CollectionId, Timestamp};
use crate::merkle::Hash;
use crate::vocabulary::Purpose;

/// A leaf of which nobody asked for what it says: a date had come, or it is from before format 9 of the vault.
const NOBODY: u8 = 1;
/// A leaf that says in which role somebody asked.
const ASKED: u8 = 2;

const TERMINAL: u8 = 0;
const OWN_ACCOUNT: u8 = 1;
const ACCOUNT: u8 = 2;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $word:literal;)+) => {
        /// What a leaf records.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum EventKind { $($(#[$doc])* $variant,)+ }

        impl EventKind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number in the leaf's bytes.
            pub fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The event in words.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// The vault came to be; the first leaf of every log.
    Created = 0, "vault created";
    /// A collection was added.
    Collection = 1, "collection added";
    /// A collection was frozen.
    Frozen = 2, "collection frozen";
    /// A subject consented.
    Grant = 3, "grant";
    /// Templates were stored for a grant.
    Enrolment = 4, "enrolment";
    /// A subject ended a grant.
    Withdrawal = 5, "withdrawal";
    /// A grant ended by its date.
    Expiry = 6, "expiry";
    /// Somebody was looked for.
    Search = 7, "search";
    /// A batch of photos was scanned.
    Scan = 8, "scan";
    /// Photos or data left the vault.
    Export = 9, "export";
    /// Copies were made for publication.
    Publication = 10, "publication";
    /// A person confirmed or refused a sighting.
    Decision = 11, "decision";
    /// An erasure began: the rows are gone.
    ErasureIntent = 12, "erasure begun";
    /// An erasure ended: the key is gone.
    ErasureDone = 13, "erasure done";
    /// A collection keeps crops of its faces from now on.
    CropsKept = 14, "crops kept";
    /// The people of a collection were compared with each other, and the counts kept: by programs up to vault format 6.
    Calibration = 15, "calibration";
    /// A person was told what is held about them.
    Access = 16, "access answered";
    /// A backup was made.
    Backup = 17, "backup made";
    /// The vault was restored from a backup.
    Restored = 18, "vault restored";
    /// An order to stop was given.
    Stopped = 19, "order to stop";
    /// An order to stop was lifted.
    Lifted = 20, "order lifted";
    /// A person's key was exchanged for a new one.
    Rotation = 21, "key rotated";
    /// Why the other people in a collection may be looked at was written down anew.
    Basis = 22, "basis recorded";
    /// What is held about a person was put right.
    Rectified = 23, "record rectified";
    /// What is held about a person may only be kept, or may be used again.
    Restricted = 24, "restriction";
    /// A person was asked and said no.
    Refusal = 25, "consent refused";
    /// A person consented again, before the consent they had given ended.
    Renewal = 26, "consent renewed";
    /// Somebody asked for something they have a right to.
    Request = 27, "request received";
    /// A request moved on: it was acknowledged, extended, paused, taken up again or answered.
    RequestStep = 28, "request handled";
    /// A face in a photo is never compared and always covered from now on.
    Objection = 29, "objection";
    /// Who answers for the vault changed.
    Controller = 30, "controller changed";
    /// An enrolment was recorded and waits for its witnesses.
    Pending = 31, "enrolment waits";
    /// A witness signed a roster of enrolments.
    Signed = 32, "witness signed";
    /// An enrolment that waited was given up.
    Discarded = 33, "enrolment given up";
    /// A witness got a key to sign with.
    WitnessKey = 34, "witness key made";
    /// A person looked at the clock of the machine and found it right.
    ClockConfirmed = 35, "clock confirmed";
    /// A collection was removed, and what was known of its photos deleted.
    CollectionRemoved = 36, "collection removed";
    /// The photos of a collection lie in another folder from now on.
    CollectionMoved = 37, "collection moved";
    /// A grant ended because its collection did.
    GrantEnded = 38, "consent ended with its collection";
}

/// Who asked, as an entry says it to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedBy {
    /// In which role.
    pub role: Role,
    /// How they came.
    pub via: AskedVia,
}

/// How somebody came, as an entry says it to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedVia {
    /// At a terminal of the machine.
    Terminal,
    /// A member, through their own account: whose it is, the commitment to the person concerned says.
    OwnAccount,
    /// Through the account that this commits to.
    Account(Hash),
}

impl AskedBy {
    /// What an entry says of somebody. If it commits to their account, `salt` is what makes the commitment.
    pub(crate) fn of(by: Actor, salt: &[u8; 32]) -> (Self, Option<AccountId>) {
        let Actor { role, via } = by;
        let (via, account) = match via {
            Via::Terminal => (AskedVia::Terminal, None),
            Via::Account(_) if role == Role::Member => (AskedVia::OwnAccount, None),
            Via::Account(id) => (AskedVia::Account(commitment(salt, id.as_bytes())), Some(id)),
        };
        (Self { role, via }, account)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.push(self.role.code());
        match self.via {
            AskedVia::Terminal => out.push(TERMINAL),
            AskedVia::OwnAccount => out.push(OWN_ACCOUNT),
            AskedVia::Account(commitment) => {
                out.push(ACCOUNT);
                out.extend_from_slice(&commitment);
            }
        }
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([role, via], rest) = bytes.split_first_chunk()?;
        let role = Role::from_code(*role)?;
        let (via, rest) = match *via {
            TERMINAL => (AskedVia::Terminal, rest),
            OWN_ACCOUNT if role == Role::Member => (AskedVia::OwnAccount, rest),
            ACCOUNT if role != Role::Member => {
                let (commitment, rest) = rest.split_first_chunk()?;
                (AskedVia::Account(*commitment), rest)
            }
            _ => return None,
        };
        Some((Self { role, via }, rest))
    }
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The kind of event that the leaf records.
    pub kind: EventKind,
    /// Its place in the log, from 0.
    pub position: u64,
    /// When, by the clock of the program that wrote it.
    pub time: Timestamp,
    /// Who asked for it; `None` if nobody did, because a date had come, or if it is from before format 9 of the vault.
    pub asked: Option<AskedBy>,
    /// What everybody may read. It names nobody.
    pub public: Vec<u8>,
    /// `SHA-256(salt | detail)`, one per subject concerned.
    pub commitments: Vec<Hash>,
}

impl Leaf {
    /// The bytes that are hashed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(60 + self.public.len() + 32 * self.commitments.len());
        out.extend_from_slice(&[if self.asked.is_some() { ASKED } else { NOBODY }, self.kind.code()]);
        out.extend_from_slice(&self.position.to_be_bytes());
        out.extend_from_slice(&self.time.0.to_be_bytes());
        if let Some(asked) = self.asked {
            asked.write(&mut out);
        }
        out.extend_from_slice(&(self.public.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.public);
        out.extend_from_slice(&(self.commitments.len() as u32).to_be_bytes());
        out.extend(self.commitments.iter().flatten());
        out
    }

    /// The collection that the event was about, and the purpose, where the public detail says so.
    pub fn about(&self) -> (Option<CollectionId>, Option<Purpose>) {
        match self.kind {
            EventKind::Grant
            | EventKind::Withdrawal
            | EventKind::Expiry
            | EventKind::Renewal
            | EventKind::Refusal
            | EventKind::GrantEnded => {
                let mut fields = Reader::new(&self.public);
                let collection = fields.array().map(CollectionId::from_bytes);
                (collection, fields.text().and_then(|purpose| Purpose::new(purpose).ok()))
            }
            EventKind::Stopped | EventKind::Lifted => {
                let mut fields = Reader::new(&self.public);
                let order: Option<[u8; 16]> = fields.array();
                (order.and_then(|_| fields.array()).map(CollectionId::from_bytes), None)
            }
            EventKind::Collection
            | EventKind::CollectionRemoved
            | EventKind::CollectionMoved
            | EventKind::Frozen
            | EventKind::Enrolment
            | EventKind::Scan
            | EventKind::Decision
            | EventKind::CropsKept
            | EventKind::Basis
            | EventKind::Objection
            | EventKind::Calibration => (self.public.first_chunk().map(|id| CollectionId::from_bytes(*id)), None),
            EventKind::Created
            | EventKind::Search
            | EventKind::Export
            | EventKind::Publication
            | EventKind::ErasureIntent
            | EventKind::ErasureDone
            | EventKind::Access
            | EventKind::Rectified
            | EventKind::Restricted
            | EventKind::Request
            | EventKind::RequestStep
            | EventKind::Controller
            | EventKind::Backup
            | EventKind::Restored
            | EventKind::Rotation
            | EventKind::Pending
            | EventKind::Signed
            | EventKind::Discarded
            | EventKind::WitnessKey
            | EventKind::ClockConfirmed => (None, None),
        }
    }

    /// The leaf that these bytes are; `None` if they are none of these versions.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([version, code], rest) = bytes.split_first_chunk()?;
        let kind = EventKind::from_code(*code)?;
        let (position, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (asked, rest) = match *version {
            NOBODY => (None, rest),
            ASKED => AskedBy::read(rest).map(|(asked, rest)| (Some(asked), rest))?,
            _ => return None,
        };
        let (length, rest) = rest.split_first_chunk()?;
        let (public, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let (count, rest) = rest.split_first_chunk()?;
        let (commitments, tail) = rest.as_chunks::<32>();
        let whole = tail.is_empty() && commitments.len() == u32::from_be_bytes(*count) as usize;
        whole.then(|| Self {
            kind,
            position: u64::from_be_bytes(*position),
            time: Timestamp(i64::from_be_bytes(*time)),
            asked,
            public: public.to_vec(),
            commitments: commitments.to_vec(),
        })
    }
}

/// `SHA-256(salt | detail)`.
pub fn commitment(salt: &[u8; 32], detail: &[u8]) -> Hash {
    Sha256::new().chain_update(salt).chain_update(detail).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_of_a_leaf_are_those_of_the_format_page() {
        let leaf = Leaf {
            kind: EventKind::Grant,
            position: 5,
            time: Timestamp(1_700_000_000_000),
            asked: None,
            public: b"ab".to_vec(),
            commitments: vec![[0xcc; 32]],
        };
        let check = |asked: Option<AskedBy>, head: &str| {
            let leaf = Leaf { asked, ..leaf.clone() };
            let hex = crate::id::hex(&leaf.to_bytes());
            let commitment = "cc".repeat(32);
            assert_eq!(hex, format!("{head}000000026162{:08x}{commitment}", 1));
            assert_eq!(Leaf::from_bytes(&leaf.to_bytes()), Some(leaf));
        };
        check(None, "010300000000000000050000018bcfe56800");
        let asked = |role, via| Some(AskedBy { role, via });
        check(asked(Role::Operator, AskedVia::Terminal), "020300000000000000050000018bcfe568000200");
        check(asked(Role::Member, AskedVia::OwnAccount), "020300000000000000050000018bcfe568000701");
        let account = format!("020300000000000000050000018bcfe568000402{}", "aa".repeat(32));
        check(asked(Role::Reviewer, AskedVia::Account([0xaa; 32])), &account);
    }

    #[test]
    fn an_account_stands_in_a_leaf_as_a_commitment_and_a_members_own_not_at_all() {
        let id = AccountId::from_bytes([9; 16]);
        let check = |role, via, expected: (AskedVia, Option<AccountId>)| {
            let (asked, account) = AskedBy::of(Actor { role, via }, &[1; 32]);
            assert_eq!((asked.role, (asked.via, account)), (role, expected));
        };
        let commitment = commitment(&[1; 32], &[9; 16]);
        for role in Role::ALL {
            check(*role, Via::Terminal, (AskedVia::Terminal, None));
            let own = (AskedVia::OwnAccount, None);
            let other = (AskedVia::Account(commitment), Some(id));
            check(*role, Via::Account(id), if *role == Role::Member { own } else { other });
            assert_eq!(Role::from_code(role.code()), Some(*role));
        }
        assert_eq!((Role::from_code(0), Role::from_code(8)), (None, None));
    }

    #[test]
    fn a_leaf_with_an_impossible_actor_is_none() {
        let leaf = |role: u8, via: u8| {
            let head = [2, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, role, via];
            [head.as_slice(), &[0; 8]].concat()
        };
        let check = |what: &str, bytes: &[u8], is_leaf: bool| {
            assert_eq!(Leaf::from_bytes(bytes).is_some(), is_leaf, "{what}");
        };
        check("an operator at a terminal", &leaf(2, 0), true);
        check("no role", &leaf(0, 0), false);
        check("an unknown role", &leaf(8, 0), false);
        check("an unknown way", &leaf(2, 3), false);
        check("an operator through a member's own account", &leaf(2, 1), false);
        check("a member through an account that is named", &[leaf(7, 2), vec![0; 32]].concat(), false);
        check("another version", &[&[3], &leaf(2, 0)[1..]].concat(), false);
    }

    proptest! {
        #[test]
        fn a_leaf_round_trips_and_no_prefix_of_it_is_a_leaf(
            position: u64, time: i64, public in prop::collection::vec(any::<u8>(), 0..9), n in 0usize..3, code in 0u8..14,
            by in 0u8..4,
        ) {
            let kind = EventKind::from_code(code).unwrap();
            let asked = [
                None,
                Some(AskedBy { role: Role::Operator, via: AskedVia::Terminal }),
                Some(AskedBy { role: Role::Member, via: AskedVia::OwnAccount }),
                Some(AskedBy { role: Role::Auditor, via: AskedVia::Account([9; 32]) }),
            ][usize::from(by)];
            let leaf = Leaf { kind, position, time: Timestamp(time), asked, public, commitments: vec![[7; 32]; n] };
            let bytes = leaf.to_bytes();
            prop_assert_eq!(Leaf::from_bytes(&bytes), Some(leaf));
            for cut in 0..bytes.len() {
                prop_assert_eq!(Leaf::from_bytes(&bytes[..cut]), None);
            }
        }
    }
}
