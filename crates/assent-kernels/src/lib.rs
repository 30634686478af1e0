//! The inner loops: one-to-many search over 8-bit rows, layers of small convolutional networks, and a picture's samples.
//!
//! Each kernel has a scalar twin that says what it must compute, and gives the same number to the bit. The choice
//! is made at run time: an [`Avx2`] can only be made on a processor that has AVX2 and FMA, so holding one is the proof.

mod buffer;
mod layers;
mod protect;
mod samples;
mod search;
mod shrink;
#[cfg(test)]
mod testing;

pub use buffer::Buffer;
pub use layers::{Activation, Dense, Depthwise, add_pixels, largest, normalise, pool, quantise, scale_pixels};
pub use protect::{Protected, protect};
pub use samples::{PLACE_BITS, Pixels, SAMPLE_ONE, SampleRow};
pub use search::{GROUP_ROWS, Probes, RowHit, STEP_DIMENSIONS, SearchKernel, Step, dot, steps, write_row};
pub use shrink::{Taps, shrink};

/// The best kernels of this processor for layers and pictures.
#[derive(Debug, Clone, Copy)]
pub enum Kernel {
    /// Plain Rust.
    Scalar,
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Kernel {
    /// Looks at the processor once.
    pub fn detect() -> Kernel {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return Kernel::Avx2(avx2);
        }
        Kernel::Scalar
    }

    /// Whether these kernels use vectors; without them the layers are correct and very slow.
    pub fn is_vectorised(self) -> bool {
        !matches!(self, Kernel::Scalar)
    }
}

/// Proof that the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// `None` on a processor without AVX2 or without FMA.
    pub fn detect() -> Option<Avx2> {
        let found = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        found.then_some(Avx2(()))
    }
}

/// Proof that the processor has NEON.
#[cfg(target_arch = "aarch64")]
#[derive(Debug, Clone, Copy)]
pub struct Neon(());

#[cfg(target_arch = "aarch64")]
impl Neon {
    /// `None` on a processor without it.
    pub fn detect() -> Option<Neon> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

/// Proof that the processor has AVX-512 F and VNNI.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct Avx512Vnni(());

#[cfg(target_arch = "x86_64")]
impl Avx512Vnni {
    /// `None` on a processor without them.
    pub fn detect() -> Option<Avx512Vnni> {
        let found = std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vnni");
        found.then_some(Avx512Vnni(()))
    }
}
