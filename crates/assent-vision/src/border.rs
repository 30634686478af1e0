//! The border of zeros around the rows of a map that a 3 x 3 layer looks at.

use assent_kernels::Buffer;

/// Makes room for the last three rows of a map, the first of which comes into `ring[0]`: the row above it is zeros, and so
/// is a pixel of `channels` at both ends of each. All else is written before it is read.
pub(crate) fn clear_border(ring: &mut [Buffer<f32>; 3], length: usize, channels: usize) {
    for line in ring.iter_mut() {
        let line = line.resized(length);
        line[..channels].fill(0.0);
        line[length - channels..].fill(0.0);
    }
    ring[2].fill(0.0);
}
