//! The bytes of a template before they are sealed: `dimensions` little-endian 16-bit floats, of length 1 together. What was
//! enrolled before they were halved has 32-bit floats.

use assent_gallery::gallery::Buffer;
use assent_vision::embed::Embedding;
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use zeroize::Zeroizing;

/// A template's bytes.
pub(crate) fn encode(embedding: &Embedding) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(embedding.values().len() * 2));
    for value in embedding.values() {
        bytes.extend_from_slice(&f16::from_f32(*value).to_le_bytes());
    }
    bytes
}

/// Reads templates. What it read is wiped at its end.
pub(crate) struct Decoder {
    dimensions: usize,
    halves: Buffer<u16>,
    numbers: Buffer<f32>,
}

impl Decoder {
    /// For templates of so many numbers.
    pub(crate) fn new(dimensions: usize) -> Decoder {
        Decoder { dimensions, halves: Buffer::default(), numbers: Buffer::default() }
    }

    /// The numbers of each template. Bytes that are not whole numbers, or not so many, are read as zeros, which are no
    /// vector of length 1 either.
    pub(crate) fn decode<'t>(
        &mut self,
        templates: impl ExactSizeIterator<Item = &'t [u8]>,
    ) -> std::slice::ChunksExact<'_, f32> {
        let numbers = self.numbers.resized(templates.len() * self.dimensions);
        let halves = self.halves.resized(self.dimensions);
        for (bytes, numbers) in templates.zip(numbers.chunks_exact_mut(self.dimensions)) {
            if bytes.len() == self.dimensions * 2 {
                halves.iter_mut().zip(bytes.as_chunks().0).for_each(|(half, b)| *half = u16::from_le_bytes(*b));
                halves.reinterpret_cast::<f16>().convert_to_f32_slice(numbers);
            } else if bytes.len() == self.dimensions * 4 {
                numbers.iter_mut().zip(bytes.as_chunks().0).for_each(|(number, b)| *number = f32::from_le_bytes(*b));
            } else {
                numbers.fill(0.0);
            }
        }
        self.numbers.chunks_exact(self.dimensions)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.halves.wipe();
        self.numbers.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_either_form_is_read_and_one_of_another_length_is_not() {
        let mut decoder = Decoder::new(2);
        let mut check = |name: &str, bytes: &[u8], expected: [f32; 2]| {
            let got: Vec<&[f32]> = decoder.decode([bytes; 2].into_iter()).collect();
            assert_eq!(got, [expected; 2], "{name}");
        };
        let wide: Vec<u8> = [0.6f32, -0.8].iter().flat_map(|v| v.to_le_bytes()).collect();
        let half: Vec<u8> = [0.6f32, -0.8].iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        check("32-bit", &wide, [0.6, -0.8]);
        check("16-bit", &half, [0.600_097_66, -0.799_804_7]);
        check("none", &[], [0.0; 2]);
        check("cut", &half[..3], [0.0; 2]);
        check("between", &wide[..6], [0.0; 2]);
        check("one more", &[wide.clone(), half].concat(), [0.0; 2]);
    }
}
