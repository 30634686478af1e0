//! A picture's bytes as the whole numbers that the first layer of a network of ours multiplies.

use assent_kernels::{Kernel, normalise};

use crate::frame::Frame;
use crate::model::{ChannelOrder, Preprocessing};

/// The picture's rows in whole steps, in the picture's own order of colours.
pub(crate) struct Colours<'f> {
    frame: &'f Frame,
    /// The mean of each colour, for sixteen pixels in a row.
    mean: [f32; 48],
    /// Steps for a difference of one byte.
    steps: f32,
    /// What a step is worth.
    step: f32,
}

impl Colours<'_> {
    /// For a network that takes `(byte - mean) * scale`.
    pub(crate) fn new<'f>(frame: &'f Frame, how: &Preprocessing) -> Colours<'f> {
        let mean = std::array::from_fn(|i| how.mean[plane(how.channels, i % 3)]);
        let furthest = how.mean.iter().fold(0f32, |most, mean| most.max(mean.abs()).max((255.0 - mean).abs()));
        // A power of two, so that bytes without a mean are kept exactly.
        let steps = (f32::from(i16::MAX) / furthest).log2().floor().exp2();
        Colours { frame, mean, steps, step: how.scale / steps }
    }

    /// What a step is worth.
    pub(crate) fn step(&self) -> f32 {
        self.step
    }

    /// Row `y` from the second pixel of `row` on, black where the picture ends.
    pub(crate) fn fill(&self, kernel: Kernel, y: usize, row: &mut [i16]) {
        let stride = self.frame.width() as usize * 3;
        let pixels = if y < self.frame.height() as usize { &self.frame.rgb()[y * stride..][..stride] } else { &[] };
        let end = row.len() - 1;
        let row = &mut row[3..end];
        let (filled, black) = row.split_at_mut(pixels.len().min(row.len()));
        normalise(kernel, &pixels[..filled.len()], &self.mean, self.steps, filled);
        for (i, to) in black.iter_mut().enumerate() {
            *to = (-self.mean[i % 3] * self.steps).round_ties_even() as i16;
        }
    }
}

/// Which plane of the network's input a colour of the picture (red, green, blue) goes to.
pub(crate) fn plane(channels: ChannelOrder, colour: usize) -> usize {
    match channels {
        ChannelOrder::Rgb => colour,
        ChannelOrder::Bgr => 2 - colour,
    }
}
