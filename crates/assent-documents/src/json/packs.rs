//! `packs` and `runtime`: models, sample photos, and the library that runs networks.

use schemars::JsonSchema;
use serde::Serialize;

use super::Sha256;

/// The packs that are there.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PackList {
    /// Each.
    pub packs: Vec<Pack>,
}

/// A pack of models or of sample photos.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Pack {
    /// `models` or `photos`.
    pub kind: String,
    /// The name of its folder.
    pub name: String,
    /// The folder.
    pub folder: String,
    /// Why it cannot be used; missing where it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub card: Option<Card>,
    /// Whether each network ran once; missing where none was to be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<bool>,
}

/// What a pack says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Card {
    /// Its version.
    pub version: String,
    /// The licences of what is in it.
    pub licences: Vec<String>,
    /// The name on the card of models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// The hash of the embedding network and what goes with it, of models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<Sha256>,
    /// What the models can say: `match, review`, or `review` where they have no table; of models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bands: Option<String>,
    /// The digest of sample photos.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Sha256>,
}

/// A pack that was fetched.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PackFetched {
    /// Its name.
    pub pack: String,
    /// Its folder.
    pub folder: String,
    /// The files that were not there before.
    pub fetched: Vec<String>,
}

/// Which library is loaded, and which engine runs which network.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RuntimeStatus {
    /// The library's file.
    pub library: String,
    /// How it was built.
    pub build: String,
    /// The pack, or why there is none.
    pub pack: String,
    /// What finds faces.
    pub detector: Engine,
    /// What makes templates of them.
    pub embedder: Engine,
    /// What became of the embedder's `PReLU` layers, in words.
    pub prelu: Option<String>,
}

/// Which engine runs a network.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Engine {
    /// The engine.
    pub execution: String,
    /// Why.
    pub because: String,
}

/// A library that is installed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RuntimeFetched {
    /// Its folder.
    pub folder: String,
    /// How it came there, in words.
    pub status: String,
    /// Whether its hash was not checked.
    pub unchecked: bool,
}
