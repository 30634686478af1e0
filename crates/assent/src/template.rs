//! The bytes of a template before they are sealed: `dimensions` little-endian 16-bit floats, of length 1 together. What was
//! enrolled before they were halved has 32-bit floats.

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

/// The numbers of a template; `None` if the bytes are not whole numbers, or not so many.
pub(crate) fn decode(bytes: &[u8], dimensions: usize) -> Option<Zeroizing<Vec<f32>>> {
    let mut numbers = Zeroizing::new(vec![0.0; dimensions]);
    if bytes.len() == dimensions * 2 {
        let halves: Zeroizing<Vec<u16>> =
            Zeroizing::new(bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect());
        halves.reinterpret_cast::<f16>().convert_to_f32_slice(&mut numbers);
        return Some(numbers);
    }
    if bytes.len() == dimensions * 4 {
        numbers.iter_mut().zip(bytes.as_chunks().0).for_each(|(number, b)| *number = f32::from_le_bytes(*b));
        return Some(numbers);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_either_form_is_read_and_one_of_another_length_is_not() {
        let check = |name: &str, bytes: &[u8], expected: Option<[f32; 2]>| {
            let got = decode(bytes, 2);
            assert_eq!(
                got.as_ref().map(|numbers| numbers.as_slice()),
                expected.as_ref().map(<[f32; 2]>::as_slice),
                "{name}"
            );
        };
        let wide: Vec<u8> = [0.6f32, -0.8].iter().flat_map(|v| v.to_le_bytes()).collect();
        let half: Vec<u8> = [0.6f32, -0.8].iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        check("32-bit", &wide, Some([0.6, -0.8]));
        check("16-bit", &half, Some([0.600_097_66, -0.799_804_7]));
        check("none", &[], None);
        check("cut", &half[..3], None);
        check("between", &wide[..6], None);
        check("one more", &[wide.clone(), half].concat(), None);
    }
}
