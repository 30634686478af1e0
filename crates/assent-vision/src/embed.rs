//! Embeddings: what makes two pictures of the same person alike, as a list of numbers.

use crate::align::{self, AlignError};
use crate::detect::Detection;
use crate::frame::Frame;
use crate::geometry::Point;
use crate::mobilenet::Forward;
use crate::model::{ChannelOrder, EmbedderSpec, Preprocessing};
use crate::onnx::{refuse_absurd, refuse_other_heads};
use crate::runtime::{Execution, InferenceError, Network, Role, Runtime};
use zeroize::{Zeroize, Zeroizing};

/// A face cut out for the embedder, `[side][side][3]` bytes.
#[derive(Debug)]
pub struct Aligned {
    pub(crate) crop: Frame,
}

impl Aligned {
    /// The crop's pixels.
    pub fn crop(&self) -> &Frame {
        &self.crop
    }
}

/// One face as numbers of length 1 together. It cannot be copied, printed or written to a file, and its memory is
/// overwritten when it goes (invariant I2).
///
/// ```compile_fail
/// fn copy(e: &assent_vision::embed::Embedding) -> assent_vision::embed::Embedding {
///     e.clone() // i2_no_clone: there is no such thing.
/// }
/// ```
///
/// ```compile_fail
/// fn show(e: &assent_vision::embed::Embedding) {
///     println!("{e:?}"); // i2_no_debug: nor this.
/// }
/// ```
#[expect(missing_debug_implementations, reason = "I2: an embedding cannot be printed")]
pub struct Embedding {
    values: Zeroizing<Vec<f32>>,
}

impl Embedding {
    /// Its numbers, `[dimensions]`; the sum of their squares is 1.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// An embedding from numbers of any length, scaled to length 1; `None` if one is not finite or all are zero.
    pub fn from_values(values: Vec<f32>) -> Option<Embedding> {
        let mut values = Zeroizing::new(values);
        let length = values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        if !length.is_finite() || length < 1e-12 {
            return None;
        }
        values.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
        Some(Embedding { values })
    }
}

/// An embedder, ready for one thread.
#[derive(Debug)]
pub struct Embedder {
    engine: Engine,
    spec: EmbedderSpec,
    template_px: [Point; 5],
}

#[derive(Debug)]
enum Engine {
    Own(Box<Forward>),
    Library { network: Network, planes: Vec<f32> },
}

impl Embedder {
    /// Loads the embedder network with the engine that [`Runtime::choose`] names.
    ///
    /// # Errors
    ///
    /// As [`with_execution`](Self::with_execution).
    pub fn new(runtime: &Runtime, spec: EmbedderSpec, onnx: &[u8]) -> Result<Embedder, InferenceError> {
        Embedder::with_execution(runtime, spec, onnx, runtime.choose(Role::Embedder).0)
    }

    /// Loads the embedder network with a named engine; a network that our own kernels do not recognise runs through the
    /// library.
    ///
    /// # Errors
    ///
    /// - [`InferenceError::Absurd`] if the network cannot be run in an order.
    /// - [`InferenceError::OtherHead`] if the network gives more than its card says (invariant I8).
    /// - [`InferenceError::Load`] if the library refuses `onnx`.
    pub fn with_execution(
        runtime: &Runtime,
        spec: EmbedderSpec,
        onnx: &[u8],
        execution: Execution,
    ) -> Result<Embedder, InferenceError> {
        refuse_absurd(onnx, Role::Embedder)?;
        refuse_other_heads(onnx, Role::Embedder, std::slice::from_ref(&spec.output_name))?;
        let own = match execution {
            Execution::Own(kernel) => Forward::read(kernel, onnx, &spec),
            _ => None,
        };
        let engine = if let Some(forward) = own {
            Engine::Own(Box::new(forward))
        } else {
            Engine::Library { network: runtime.network_with(Role::Embedder, onnx, execution)?, planes: Vec::new() }
        };
        let template_px = align::template_px(&spec.template, spec.side_px);
        Ok(Embedder { engine, spec, template_px })
    }

    /// Another one with the same weights, for another thread; `None` where the library runs the network, which shares
    /// none.
    pub fn sharing(&self) -> Option<Embedder> {
        let Engine::Own(forward) = &self.engine else { return None };
        let engine = Engine::Own(Box::new(forward.another()));
        Some(Embedder { engine, spec: self.spec.clone(), template_px: self.template_px })
    }

    /// The engine that runs the network.
    pub fn execution(&self) -> Execution {
        match &self.engine {
            Engine::Own(forward) => Execution::Own(forward.kernel()),
            Engine::Library { network, .. } => network.execution(),
        }
    }

    /// Crop pixels for one photo pixel, for a face in photo pixels. A copy of the photo with `scale` photo pixels for
    /// one of its own has all the detail that the crop can hold if this is at most `1 / scale`.
    ///
    /// # Errors
    ///
    /// [`AlignError`] if the landmarks give no alignment.
    pub fn magnification(&self, face: &Detection) -> Result<f32, AlignError> {
        let [[a, _, _], [c, _, _]] = align::similarity(&face.landmarks, &self.template_px)?;
        Ok(a.hypot(c) as f32)
    }

    /// Between the eyes in a crop, pixels.
    pub fn eyes_px(&self) -> f32 {
        let [left, right, ..] = self.template_px;
        (right.x - left.x).hypot(right.y - left.y)
    }

    /// Cuts `face` (in photo pixels) out of a copy of its photo with `scale` photo pixels for one of its own.
    ///
    /// # Errors
    ///
    /// [`AlignError`] if the landmarks give no alignment.
    pub fn align(&self, copy: &Frame, scale: f32, face: &Detection) -> Result<Aligned, AlignError> {
        let landmarks = face.landmarks.map(|p| Point { x: p.x / scale, y: p.y / scale });
        let to_crop = align::similarity(&landmarks, &self.template_px)?;
        Ok(Aligned { crop: align::cut(copy, &to_crop, self.spec.side_px) })
    }

    /// The embeddings of `faces`, in their order. A face whose network output is not a number gives `None`.
    ///
    /// Equal crops give equal embeddings to the bit, whatever else is in the batch: every run has the same shape,
    /// one face (a batch of many is no faster on a CPU: `docs/performance.md`).
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the network fails.
    pub fn embed(&mut self, faces: &[Aligned]) -> Result<Vec<Option<Embedding>>, InferenceError> {
        let side = self.spec.side_px as usize;
        let mut embeddings = Vec::with_capacity(faces.len());
        for face in faces {
            let mut values = vec![0.0; self.spec.dimensions];
            match &mut self.engine {
                Engine::Own(forward) => forward.run(&face.crop, &mut values),
                Engine::Library { network, planes } => {
                    fill(&self.spec.preprocessing, &face.crop, planes);
                    let outputs = [(self.spec.output_name.as_str(), vec![1, self.spec.dimensions])];
                    let input = (self.spec.input_name.as_str(), [1, 3, side, side], planes.as_slice());
                    network.run(input, &outputs, |_, v| values.copy_from_slice(v))?;
                }
            }
            embeddings.push(Embedding::from_values(values));
        }
        match &mut self.engine {
            Engine::Own(forward) => forward.forget(),
            Engine::Library { planes, .. } => planes.zeroize(),
        }
        Ok(embeddings)
    }
}

/// A crop as the planes of the network's input, `[plane][row][column]`.
fn fill(how: &Preprocessing, crop: &Frame, planes: &mut Vec<f32>) {
    planes.clear();
    for plane in 0..3 {
        let colour = match how.channels {
            ChannelOrder::Rgb => plane,
            ChannelOrder::Bgr => 2 - plane,
        };
        let (mean, scale) = (how.mean[plane], how.scale);
        planes.extend(crop.rgb().iter().skip(colour).step_by(3).map(|&v| (f32::from(v) - mean) * scale));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_have_length_one_or_do_not_exist() {
        let e = Embedding::from_values(vec![3.0, 4.0]).unwrap();
        assert_eq!(e.values(), [0.6, 0.8]);
        for (name, values) in
            [("zero", vec![0.0; 4]), ("empty", vec![]), ("NaN", vec![f32::NAN]), ("inf", vec![f32::INFINITY])]
        {
            assert!(Embedding::from_values(values).is_none(), "{name}");
        }
    }
}
