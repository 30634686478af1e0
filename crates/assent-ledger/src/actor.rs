//! Who asks for something: in which role, and how they came. It stands in the entry of the log that says what they did.
//!
//! An entry says the role to everybody, and names nobody: of an account it holds a salted commitment, whose opening is sealed
//! under the vault's own key. A member acts for themselves alone, and the entry commits to them as the person concerned; no
//! account of theirs is noted beside that, so that nothing of them is left when they are erased.

use std::fmt;

use crate::id::{AccountId, Timestamp};

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $word:literal;)+) => {
        /// What somebody may do in a vault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role { $($(#[$doc])* $variant,)+ }

        impl Role {
            /// Every role, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number in a leaf's bytes.
            pub fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The role in one word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(crate) fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

roles! {
    /// Looks after accounts, keys and the machine.
    Admin = 1, "admin";
    /// Runs the collections.
    Operator = 2, "operator";
    /// Puts people on the list and records their forms.
    Enroller = 3, "enroller";
    /// Says whether a proposal is right.
    Reviewer = 4, "reviewer";
    /// Makes copies for publication.
    Publisher = 5, "publisher";
    /// Reads, and changes nothing.
    Auditor = 6, "auditor";
    /// Acts for themselves alone.
    Member = 7, "member";
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How somebody came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// At a terminal of the machine.
    Terminal,
    /// Through an account.
    Account(AccountId),
}

/// Somebody who asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// In which role.
    pub role: Role,
    /// How they came.
    pub via: Via,
}

/// When something is done, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Act {
    /// Who asked for it.
    pub by: Actor,
    /// The time of everything in it.
    pub at: Timestamp,
}

/// What a transaction comes of: an [`Act`], or the program itself at a time, because a date has come or something was left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub(crate) by: Option<Actor>,
    pub(crate) at: Timestamp,
}

impl From<Timestamp> for Origin {
    fn from(at: Timestamp) -> Self {
        Self { by: None, at }
    }
}

impl From<Act> for Origin {
    fn from(act: Act) -> Self {
        Self { by: Some(act.by), at: act.at }
    }
}
