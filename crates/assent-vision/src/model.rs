//! What a network wants and gives: the numbers of a pack's card that the arithmetic needs.
//!
//! A card (`docs/formats/pack.md`) is read and checked outside this crate; these are its plain values.

/// The order of the colour planes of a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Blue first, as OpenCV keeps pictures.
    Bgr,
    /// Three channels in the order red, green, blue.
    Rgb,
}

/// How one network turns bytes 0..255 into its input numbers: `(byte - mean) * scale`, plane by plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocessing {
    /// Order of the planes.
    pub channels: ChannelOrder,
    /// Subtracted first, in the order of the planes.
    pub mean: [f32; 3],
    /// The factor by which each value is multiplied after the mean was subtracted.
    pub scale: f32,
}

/// The size of picture that a detector takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetectorInput {
    /// Any width and height that are a multiple of this many pixels; the rest is padded with black.
    MultipleOf {
        /// The step, pixels.
        px: u32,
    },
    /// One fixed size. Larger pictures are looked at in overlapping tiles and, once, scaled down as a whole.
    Fixed {
        /// Width, pixels.
        width_px: u32,
        /// Height, pixels.
        height_px: u32,
    },
}

/// A `YuNet` detector, as its card describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorSpec {
    /// The network's input name.
    pub input_name: String,
    /// Bytes to numbers.
    pub preprocessing: Preprocessing,
    /// What sizes it takes.
    pub input: DetectorInput,
    /// Steps of the anchor grids, pixels.
    pub strides_px: Vec<u32>,
    /// Output names with `{stride}` in them: class, objectness, box, landmarks.
    pub output_names: [String; 4],
    /// Least `sqrt(class * objectness)` of a face, in (0, 1).
    pub score_threshold: f32,
    /// Boxes that overlap by more than this (intersection over union) are one face.
    pub nms_iou: f32,
}

/// An embedder, as its card describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderSpec {
    /// The network's input name.
    pub input_name: String,
    /// The network's output name.
    pub output_name: String,
    /// Bytes to numbers.
    pub preprocessing: Preprocessing,
    /// Side of the square crop, pixels.
    pub side_px: u32,
    /// Numbers in an embedding.
    pub dimensions: usize,
    /// Where the five landmarks go, as parts of the side, `[landmark][x, y]`, in the detector's order
    /// (left eye, right eye, nose tip, left and right mouth corner, as the viewer sees them).
    pub template: [[f32; 2]; 5],
}
