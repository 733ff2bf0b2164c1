// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount calls that work on descriptors: fsopen(2) and its kin. A mount is built detached,
//! gets its flags, and is attached last, so nobody sees it half made.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;

use super::{SysError, SysResult};

/// Attributes of a mount, as `MOUNT_ATTR_*` bits of mount_setattr(2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountAttr(pub u64);

impl MountAttr {
    /// `MOUNT_ATTR_RDONLY`.
    pub const RDONLY: Self = Self(libc::MOUNT_ATTR_RDONLY);
    /// `MOUNT_ATTR_NOSUID`.
    pub const NOSUID: Self = Self(libc::MOUNT_ATTR_NOSUID);
    /// `MOUNT_ATTR_NODEV`.
    pub const NODEV: Self = Self(libc::MOUNT_ATTR_NODEV);
    /// `MOUNT_ATTR_NOEXEC`.
    pub const NOEXEC: Self = Self(libc::MOUNT_ATTR_NOEXEC);
    /// `MOUNT_ATTR__ATIME`: the bits of all ways to keep access times.
    pub const ATIME: Self = Self(libc::MOUNT_ATTR__ATIME);
    /// `MOUNT_ATTR_NOATIME`.
    pub const NOATIME: Self = Self(libc::MOUNT_ATTR_NOATIME);
    /// `MOUNT_ATTR_STRICTATIME`.
    pub const STRICTATIME: Self = Self(libc::MOUNT_ATTR_STRICTATIME);
    /// `MOUNT_ATTR_NODIRATIME`.
    pub const NODIRATIME: Self = Self(libc::MOUNT_ATTR_NODIRATIME);
    /// `MOUNT_ATTR_NOSYMFOLLOW`.
    pub const NOSYMFOLLOW: Self = Self(libc::MOUNT_ATTR_NOSYMFOLLOW);
    /// No attribute.
    pub const NONE: Self = Self(0);

    /// Both sets of bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has all of `other`.
    pub const fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits but those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Whether a call works on one mount or on the whole tree below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// This mount alone.
    One,
    /// This mount and all below it.
    Recursive,
}

impl Depth {
    fn at_flag(self) -> libc::c_uint {
        match self {
            Self::One => 0,
            Self::Recursive => libc::AT_RECURSIVE as libc::c_uint,
        }
    }
}

/// A file system being configured, from fsopen(2).
#[derive(Debug)]
pub struct FsContext {
    fd: OwnedFd,
    kind: String,
}

impl FsContext {
    /// Opens a configuration context for the file system type `kind`.
    ///
    /// # Errors
    ///
    /// fsopen(2)'s.
    pub fn open(kind: &str) -> SysResult<Self> {
        let name = c_string(kind)?;
        // SAFETY: `name` is a NUL-terminated string that outlives the call.
        let raw = unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), libc::FSOPEN_CLOEXEC) };
        let fd = owned(raw, || format!("fsopen({kind:?})"))?;
        Ok(Self {
            fd,
            kind: kind.to_owned(),
        })
    }

    /// Sets a string parameter, as `-o key=value` does.
    ///
    /// # Errors
    ///
    /// fsconfig(2)'s, with the kernel's own words from the context's log where it left some.
    pub fn set(&self, key: &str, value: &str) -> SysResult<()> {
        let text = c_string(value)?;
        self.config(libc::FSCONFIG_SET_STRING, Some(key), Some(&text), 0)
            .map_err(|errno| self.failure(&format!("{key}={value}"), errno))
    }

    /// Sets a flag parameter, as `-o key` does.
    ///
    /// # Errors
    ///
    /// fsconfig(2)'s.
    pub fn flag(&self, key: &str) -> SysResult<()> {
        self.config(libc::FSCONFIG_SET_FLAG, Some(key), None, 0)
            .map_err(|errno| self.failure(key, errno))
    }

    /// Makes the superblock and returns the detached mount.
    ///
    /// # Errors
    ///
    /// fsconfig(2)'s and fsmount(2)'s.
    pub fn mount(&self, attr: MountAttr) -> SysResult<OwnedFd> {
        self.config(libc::FSCONFIG_CMD_CREATE, None, None, 0)
            .map_err(|errno| self.failure("create", errno))?;
        // SAFETY: the call takes numbers only, and the descriptor is open.
        let raw = unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                self.fd.as_raw_fd(),
                libc::FSMOUNT_CLOEXEC,
                attr.0,
            )
        };
        owned(raw, || format!("fsmount({:?})", self.kind))
    }

    fn config(
        &self,
        command: libc::c_uint,
        key: Option<&str>,
        value: Option<&CStr>,
        aux: libc::c_int,
    ) -> Result<(), Errno> {
        let key = key
            .map(CString::new)
            .transpose()
            .map_err(|_nul| Errno::EINVAL)?;
        let key_pointer = key.as_ref().map_or(std::ptr::null(), |key| key.as_ptr());
        let value_pointer = value.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: both pointers are NULL or NUL-terminated strings that outlive the call.
        let done = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.fd.as_raw_fd(),
                command,
                key_pointer,
                value_pointer,
                aux,
            )
        };
        Errno::result(done).map(drop)
    }

    /// Adds what the kernel wrote into the context's message log to the error.
    fn failure(&self, what: &str, errno: Errno) -> SysError {
        let mut words = String::new();
        let mut buffer = [0_u8; 512];
        while let Ok(length) = nix::unistd::read(&self.fd, &mut buffer) {
            if length == 0 {
                break;
            }
            let line = String::from_utf8_lossy(&buffer[..length]);
            words.extend([" [", line.trim(), "]"]);
        }
        SysError::new(format!("fsconfig({:?}, {what}){words}", self.kind), errno)
    }
}

/// Clones the mount at `path` below `dir` as a detached mount: the start of a bind mount.
///
/// # Errors
///
/// open_tree(2)'s.
pub fn clone_tree(dir: BorrowedFd<'_>, path: &Path, depth: Depth) -> SysResult<OwnedFd> {
    let name = path_string(path)?;
    let empty = if path.as_os_str().is_empty() {
        libc::AT_EMPTY_PATH as libc::c_uint
    } else {
        0
    };
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | empty | depth.at_flag();
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let raw = unsafe { libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), name.as_ptr(), flags) };
    owned(raw, || {
        format!("open_tree({}, {:?})", dir.as_raw_fd(), path)
    })
}

/// As [`clone_tree`], read-only with all below it.
///
/// # Errors
///
/// open_tree(2)'s and mount_setattr(2)'s.
pub fn clone_read_only(dir: BorrowedFd<'_>, path: &Path) -> SysResult<OwnedFd> {
    let mount = clone_tree(dir, path, Depth::Recursive)?;
    set_attr(
        mount.as_fd(),
        MountAttr::RDONLY,
        MountAttr::NONE,
        0,
        Depth::Recursive,
    )?;
    Ok(mount)
}

/// Attaches the detached mount `mount` on `target`.
///
/// # Errors
///
/// move_mount(2)'s.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> SysResult<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both names are static empty strings, both descriptors are open.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            flags,
        )
    };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| SysError::new("move_mount", errno))
}

/// Sets and clears attributes of the mount that `mount` refers to; a propagation of 0 is kept.
///
/// # Errors
///
/// mount_setattr(2)'s.
pub fn set_attr(
    mount: BorrowedFd<'_>,
    set: MountAttr,
    clear: MountAttr,
    propagation: u64,
    depth: Depth,
) -> SysResult<()> {
    let attr = libc::mount_attr {
        attr_set: set.0,
        attr_clr: clear.0,
        propagation,
        userns_fd: 0,
    };
    change(mount, &attr, depth)
        .map_err(|errno| SysError::new(format!("mount_setattr({:#x})", set.0), errno))
}

/// Shows the ids of the files of the detached mount `mount` as the user namespace `namespace` maps
/// them.
///
/// # Errors
///
/// mount_setattr(2)'s; EPERM for a file system that belongs to another user namespace than the
/// caller's.
pub fn set_idmap(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>, depth: Depth) -> SysResult<()> {
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::from(namespace.as_raw_fd().cast_unsigned()),
    };
    change(mount, &attr, depth).map_err(|errno| SysError::new("mount_setattr(IDMAP)", errno))
}

fn change(mount: BorrowedFd<'_>, attr: &libc::mount_attr, depth: Depth) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH as libc::c_uint | depth.at_flag();
    // SAFETY: `attr` is a mount_attr of the size given, alive during the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(done).map(drop)
}

fn c_string(text: &str) -> SysResult<CString> {
    CString::new(text).map_err(|_nul| SysError::new(format!("{text:?}"), Errno::EINVAL))
}

fn path_string(path: &Path) -> SysResult<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_nul| SysError::new(format!("{path:?}"), Errno::EINVAL))
}

fn owned(raw: libc::c_long, call: impl FnOnce() -> String) -> SysResult<OwnedFd> {
    let raw = Errno::result(raw).map_err(|errno| SysError::new(call(), errno))?;
    let raw = RawFd::try_from(raw).expect("the kernel returns descriptors as int");
    // SAFETY: the kernel has just returned `raw` to us and no one else knows the number.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// A borrowed descriptor of the current directory, for calls that take a directory.
pub fn current_dir() -> BorrowedFd<'static> {
    nix::fcntl::AT_FDCWD.as_fd()
}
