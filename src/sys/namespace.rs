// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finding a namespace again by its file handle, without a process or a mount that pins it.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;

use super::{SysError, SysResult};

/// The inode number of the first user namespace (`PROC_USER_INIT_INO`, linux/proc_ns.h).
const FIRST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// Where commands of one user namespace find their holder and their network helper: the run root
/// itself, or a directory in it for those who have come there in another namespace, as by
/// `unshare -Ur`. Neither has rights over what the other has made. See [`foreign`] for when this may
/// be asked.
pub fn meeting_place(run_root: &Path) -> PathBuf {
    match foreign() {
        None => run_root.to_owned(),
        Some(number) => run_root.join("u").join(number.to_string()),
    }
}

/// The number of the user namespace that this command came in, unless that is the first.
///
/// The first call decides, and must come before the process goes into another namespace.
pub fn foreign() -> Option<u64> {
    static OWN: OnceLock<Option<u64>> = OnceLock::new();
    let own = || {
        fs::metadata("/proc/self/ns/user")
            .ok()
            .map(|file| file.ino())
    };
    let own = *OWN.get_or_init(own);
    own.filter(|number| *number != FIRST_USER_NAMESPACE)
}

/// Stands for the root of nsfs in open_by_handle_at(2) (Linux 6.18, uapi/linux/fcntl.h).
const FD_NSFS_ROOT: RawFd = -10003;
/// The largest handle that the kernel makes (`MAX_HANDLE_SZ`).
const MAX_HANDLE: usize = 128;

#[repr(C)]
struct FileHandle {
    handle_bytes: u32,
    handle_type: i32,
    handle: [u8; MAX_HANDLE],
}

/// The name of a namespace: valid as long as the namespace lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceHandle {
    kind: i32,
    bytes: Vec<u8>,
}

impl NamespaceHandle {
    /// The handle of the open namespace file `namespace`.
    ///
    /// # Errors
    ///
    /// name_to_handle_at(2)'s; EOPNOTSUPP where nsfs has no handles.
    pub fn of(namespace: BorrowedFd<'_>) -> SysResult<Self> {
        let mut handle = FileHandle {
            handle_bytes: u32::try_from(MAX_HANDLE).expect("a small constant"),
            handle_type: 0,
            handle: [0; MAX_HANDLE],
        };
        let mut mount_id: libc::c_int = 0;
        // SAFETY: `handle` has room for the number of bytes that its first field states.
        let done = unsafe {
            libc::syscall(
                libc::SYS_name_to_handle_at,
                namespace.as_raw_fd(),
                c"".as_ptr(),
                &raw mut handle,
                &raw mut mount_id,
                libc::AT_EMPTY_PATH,
            )
        };
        Errno::result(done).map_err(|errno| SysError::new("name_to_handle_at(nsfs)", errno))?;
        let length = (handle.handle_bytes as usize).min(MAX_HANDLE);
        Ok(Self {
            kind: handle.handle_type,
            bytes: handle.handle[..length].to_vec(),
        })
    }

    /// Opens the namespace again.
    ///
    /// # Errors
    ///
    /// open_by_handle_at(2)'s: ESTALE when it is gone, EINVAL or EBADF on older kernels.
    pub fn open(&self) -> SysResult<OwnedFd> {
        let mut handle = FileHandle {
            handle_bytes: u32::try_from(self.bytes.len()).unwrap_or(0),
            handle_type: self.kind,
            handle: [0; MAX_HANDLE],
        };
        let length = self.bytes.len().min(MAX_HANDLE);
        handle.handle[..length].copy_from_slice(&self.bytes[..length]);
        // SAFETY: `handle` describes its own length and is alive during the call.
        let raw = unsafe {
            libc::syscall(
                libc::SYS_open_by_handle_at,
                FD_NSFS_ROOT,
                &raw mut handle,
                libc::O_RDONLY | libc::O_CLOEXEC,
            )
        };
        let raw =
            Errno::result(raw).map_err(|errno| SysError::new("open_by_handle_at(nsfs)", errno))?;
        let raw = RawFd::try_from(raw).expect("the kernel returns descriptors as int");
        // SAFETY: the kernel has just returned `raw` to us and no one else knows the number.
        Ok(unsafe { OwnedFd::from_raw_fd(raw) })
    }

    /// One word for a file: `TYPE:HEX`.
    pub fn to_text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{}:", self.kind);
        for byte in &self.bytes {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        text
    }

    /// Reads what [`Self::to_text`] wrote; `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let (kind, hex) = text.split_once(':')?;
        if hex.len() % 2 != 0 || hex.len() > 2 * MAX_HANDLE || !hex.is_ascii() {
            return None;
        }
        let bytes = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
        Some(Self {
            kind: kind.parse().ok()?,
            bytes: bytes.collect::<Result<_, _>>().ok()?,
        })
    }
}
