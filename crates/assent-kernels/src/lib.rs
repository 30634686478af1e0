//! The inner loops: one-to-many search over 8-bit rows, layers of small convolutional networks, and a picture's samples.
//!
//! Each kernel has a scalar twin that says what it must compute, and gives the same number to the bit. The choice
//! is made at run time: an [`Avx2`] can only be made on a processor that has AVX2 and FMA, so holding one is the proof; an
//! [`Avx512Vnni`] likewise.

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
pub use search::{GROUP_ROWS, PANEL_DIMENSIONS, Panel, Probes, RowHit, SearchKernel, dot, panels, write_row};
pub use shrink::{Taps, shrink};

/// The best kernels of this processor for layers and pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Scalar code in plain Rust, without vector instructions; it runs everywhere.
    Scalar,
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 512-bit vectors, and products that are added up at once.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
}

impl Kernel {
    /// Those that this processor has, the best first.
    pub fn all() -> Vec<Kernel> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx512Vnni::detect().map(Kernel::Avx512Vnni));
            all.extend(Avx2::detect().map(Kernel::Avx2));
        }
        all.push(Kernel::Scalar);
        all
    }

    /// The best of this processor.
    pub fn detect() -> Kernel {
        Kernel::all()[0]
    }

    /// Its name, as figures state it.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni(_) => "avx512-vnni",
        }
    }

    /// Whether these kernels use vectors; without them the layers are correct and very slow.
    pub fn is_vectorised(self) -> bool {
        !matches!(self, Kernel::Scalar)
    }
}

/// Proof that the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neon(());

#[cfg(target_arch = "aarch64")]
impl Neon {
    /// `None` on a processor without it.
    pub fn detect() -> Option<Neon> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

/// Proof that the processor has AVX2, FMA, and of AVX-512 the parts F, DQ and VNNI.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx512Vnni(());

#[cfg(target_arch = "x86_64")]
impl Avx512Vnni {
    /// `None` on a processor without them.
    pub fn detect() -> Option<Avx512Vnni> {
        let found = Avx2::detect().is_some()
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vnni");
        found.then_some(Avx512Vnni(()))
    }
}
