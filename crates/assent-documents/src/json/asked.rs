//! Who asked for what an entry of the log says.

use assent::ledger::{AccountId, AskedVia, Leaf};
use schemars::JsonSchema;
use serde::Serialize;

use super::Id;

/// Who asked for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AskedBy {
    /// In which role.
    pub role: &'static str,
    /// `terminal` or `account`.
    pub via: &'static str,
    /// The account, where it is known.
    pub account: Option<Id>,
}

impl AskedBy {
    /// Who asked for what an entry says; `None` if nobody did, or that was not noted yet.
    pub fn of(leaf: &Leaf, account: Option<AccountId>) -> Option<Self> {
        let by = leaf.asked?;
        let via = if by.via == AskedVia::Terminal { "terminal" } else { "account" };
        Some(Self { role: by.role.as_str(), via, account: account.map(Id::of) })
    }
}
