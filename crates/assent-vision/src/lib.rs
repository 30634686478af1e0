//! From the bytes of a photo to faces, aligned crops and embeddings.
//!
//! ```text
//! bytes -> decode::decode -> Frame -> detect::FaceFinder -> faces
//!                                        faces -> align -> Crop -> embed::Embedder -> Embedding
//! ```
//!
//! Pixels come in and numbers go out: nothing here knows a photo's path, a clock, a network or a person.
//! The one path in the crate is that of the inference library, which its caller names ([`runtime::Runtime::load`]).
//!
//! # Coordinates
//!
//! Pixels, `x` to the right and `y` down, as real numbers on the picture's surface: `(0, 0)` is the top-left *corner*
//! of the top-left pixel and its centre is `(0.5, 0.5)`. Scaling a picture therefore scales its points, and nothing
//! else. Left and right are the viewer's.

pub mod align;
mod border;
pub mod catch_panic;
mod coarse;
mod codes;
mod colours;
mod convolution;
pub mod cover;
pub mod crop;
pub mod decode;
pub mod detect;
pub mod embed;
pub mod encode;
pub mod frame;
pub mod geometry;
pub mod kept_face;
pub mod machine;
pub mod memory;
mod mobilenet;
pub mod model;
pub mod nms;
mod onnx;
pub mod prelu;
pub mod quality;
pub mod refine;
pub mod resize;
pub mod runtime;
pub mod same_picture;
pub mod search_side;
mod wire;
pub mod yunet;
