//! Which engine runs which network on which machine: a choice from facts, without the machine.

pub use assent_kernels::Kernel;

use crate::runtime::{Execution, Role};

/// What decides which engine runs a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Whether the library has `OpenVINO`.
    pub has_openvino: bool,
    /// Whether the library runs networks on a GPU here.
    pub has_cuda: bool,
    /// Whether the processor multiplies bfloat16 tiles (AMX).
    pub has_amx: bool,
    /// Our own kernels that the processor runs.
    pub kernel: Kernel,
}

impl Machine {
    /// Which engine runs `role`, and why.
    ///
    /// # Source
    ///
    /// Measured (`docs/performance.md`): our own kernels are the fastest, also beside bfloat16 on `OpenVINO` where the
    /// processor has AMX. The GPU was not measured.
    pub fn choose(self, role: Role) -> (Execution, &'static str) {
        let library = self.choose_library(role);
        if self.kernel.is_vectorised() && library.0 != Execution::Cuda {
            return (
                Execution::Own(self.kernel),
                "of the engines here, Assent's own kernels are the fastest for networks of the families they know",
            );
        }
        library
    }

    /// Which engine of the library runs `role`, for a network that our own kernels do not know, and why.
    ///
    /// # Source
    ///
    /// Measured (`docs/performance.md`): `OpenVINO` is slower than ONNX Runtime for the detector, with AMX too.
    /// It is as fast for an embedder whose `PReLU`s were rewritten
    /// ([`crate::prelu`]), and with AMX nearly twice as fast as that. The GPU was not measured.
    pub fn choose_library(self, role: Role) -> (Execution, &'static str) {
        match (self.has_cuda, self.has_openvino, self.has_amx, role) {
            (true, _, _, _) => (Execution::Cuda, "the library runs networks on an NVIDIA GPU here"),
            (_, true, true, Role::Embedder) => (Execution::OpenVinoBf16, "OpenVINO is there and the processor has AMX"),
            (_, true, false, Role::Embedder) => {
                (Execution::OpenVinoF32, "no AMX: OpenVINO is the faster one for embedders in 32-bit floats")
            }
            (_, true, _, Role::Detector) => (Execution::Cpu, "ONNX Runtime's own code is the faster one for detectors"),
            (_, false, _, _) => (Execution::Cpu, "the library has no OpenVINO"),
        }
    }
}

/// Whether the processor multiplies bfloat16 tiles (AMX).
///
/// # Source
///
/// Intel SDM, volume 2A, CPUID leaf 7: EDX bit 22 is AMX-BF16, bit 24 AMX-TILE.
pub(crate) fn has_amx_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        if __cpuid(0).eax < 7 {
            return false;
        }
        let edx = __cpuid_count(7, 0).edx;
        edx & (1 << 22) != 0 && edx & (1 << 24) != 0
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_follows_from_library_processor_and_role() {
        use Execution::{Cpu, Cuda, OpenVinoBf16, OpenVinoF32, Own};
        let roles = [Role::Detector, Role::Embedder];
        let check = |name: &str, (has_openvino, has_cuda), (has_amx, kernel), expected, of_library| {
            let machine = Machine { has_openvino, has_cuda, has_amx, kernel };
            assert_eq!(roles.map(|role| machine.choose(role).0), expected, "{name}");
            assert_eq!(roles.map(|role| machine.choose_library(role).0), of_library, "{name}, of the library's");
        };
        let plain = (false, Kernel::Scalar);
        check("the usual wheel", (true, false), plain, [Cpu, OpenVinoF32], [Cpu, OpenVinoF32]);
        check("a plain library", (false, false), plain, [Cpu, Cpu], [Cpu, Cpu]);
        check("a GPU", (false, true), plain, [Cuda, Cuda], [Cuda, Cuda]);
        for kernel in Kernel::all().into_iter().filter(|kernel| kernel.is_vectorised()) {
            let (own, vectors, amx) = ([Own(kernel); 2], (false, kernel), (true, kernel));
            check("the usual wheel, vectors", (true, false), vectors, own, [Cpu, OpenVinoF32]);
            check("the usual wheel, AMX", (true, false), amx, own, [Cpu, OpenVinoBf16]);
            check("a plain library, vectors", (false, false), vectors, own, [Cpu, Cpu]);
            check("a plain library, AMX", (false, false), amx, own, [Cpu, Cpu]);
            check("a GPU, vectors", (false, true), vectors, [Cuda, Cuda], [Cuda, Cuda]);
            check("a GPU, AMX", (true, true), amx, [Cuda, Cuda], [Cuda, Cuda]);
        }
    }
}
