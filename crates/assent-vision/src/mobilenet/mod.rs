//! Embedders of the `MobileNetV2` family on our own kernels, for processors where they are faster than the inference
//! library's.
//!
//! ```text
//! bytes -> 3x3, every second pixel -> 3x3 in each channel
//!   -> blocks: 1x1 to more channels -> 3x3 in each channel -> 1x1 to fewer
//!              -> each channel by how much it matters here (squeeze and excitation) -> with what came in
//!   -> 1x1 -> one weighted sum of each channel -> embedding
//! ```
//!
//! # Source
//!
//! M. Sandler et al., "`MobileNetV2`: Inverted Residuals and Linear Bottlenecks", CVPR 2018; J. Hu, L. Shen, G. Sun,
//! "Squeeze-and-Excitation Networks", CVPR 2018. The order of operations is that of
//! face-reidentification-retail-0095 in `OpenVINO`'s Open Model Zoo.

mod forward;
mod weights;

pub(crate) use forward::Forward;
