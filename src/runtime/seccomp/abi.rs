// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Machines, and the system call interfaces that their kernels offer.

use oci_spec::runtime::Arch;

/// A kind of processor, with the interfaces that one kernel on it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// 64-bit x86, which also runs i386 and x32 programs.
    X86_64,
    /// 64-bit ARM, which also runs 32-bit ARM programs.
    Aarch64,
}

/// One system call interface: what a number means, and how wide an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Abi {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    I386,
    /// 32-bit pointers on 64-bit x86; numbers carry [`X32_BIT`].
    X32,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM with the embedded ABI.
    Arm,
}

/// Set in the number of every x32 call.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// How many bits of an argument the kernel looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Width {
    /// The low half only.
    Bits32,
    /// The whole register.
    Bits64,
}

impl Machine {
    /// The machine that this program was built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The machine that this program was built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;

    /// The interface of the machine's own programs.
    pub(super) const fn native_abi(self) -> Abi {
        match self {
            Self::X86_64 => Abi::X86_64,
            Self::Aarch64 => Abi::Aarch64,
        }
    }

    /// Every interface that a kernel on this machine may serve, the native one first.
    pub(super) const fn abis(self) -> &'static [Abi] {
        match self {
            Self::X86_64 => &[Abi::X86_64, Abi::I386, Abi::X32],
            Self::Aarch64 => &[Abi::Aarch64, Abi::Arm],
        }
    }

    /// The name that profiles use in `includes` and `excludes`.
    pub(super) const fn profile_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the system call table knows x86_64 and aarch64 only");

impl Abi {
    /// The interface that an architecture of a runtime spec names, if it is one we know.
    pub(super) fn of_spec(arch: Arch, machine: Machine) -> Option<Self> {
        match arch {
            Arch::ScmpArchNative => Some(machine.native_abi()),
            Arch::ScmpArchX86 => Some(Self::I386),
            Arch::ScmpArchX86_64 => Some(Self::X86_64),
            Arch::ScmpArchX32 => Some(Self::X32),
            Arch::ScmpArchAarch64 => Some(Self::Aarch64),
            Arch::ScmpArchArm => Some(Self::Arm),
            _ => None,
        }
    }

    /// The architecture's name in a runtime spec.
    pub(super) const fn to_spec(self) -> Arch {
        match self {
            Self::X86_64 => Arch::ScmpArchX86_64,
            Self::I386 => Arch::ScmpArchX86,
            Self::X32 => Arch::ScmpArchX32,
            Self::Aarch64 => Arch::ScmpArchAarch64,
            Self::Arm => Arch::ScmpArchArm,
        }
    }

    /// What the kernel writes into `seccomp_data.arch`; x32 calls look like x86_64 ones.
    pub(super) const fn audit_arch(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::I386 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// How much of an argument is compared. x32 counts as 32 bits, as libseccomp has it.
    pub(super) const fn argument_width(self) -> Width {
        match self {
            Self::X86_64 | Self::Aarch64 => Width::Bits64,
            Self::I386 | Self::X32 | Self::Arm => Width::Bits32,
        }
    }

    /// The bits that are set in every number of this interface.
    pub(super) const fn number_base(self) -> u32 {
        match self {
            Self::X32 => X32_BIT,
            Self::X86_64 | Self::I386 | Self::Aarch64 | Self::Arm => 0,
        }
    }
}
