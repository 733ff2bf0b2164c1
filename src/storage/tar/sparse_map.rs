// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The map of a sparse file.

use super::{Member, TarError, printable};

/// Pieces lie in order inside the file, and their data are all that is stored.
pub(super) fn check_sparse(member: &Member) -> Result<(), TarError> {
    let Some(sparse) = &member.sparse else {
        return Ok(());
    };
    let mut end = 0_u64;
    let mut stored = 0_u64;
    let fits = sparse.pieces.iter().all(|&(offset, length)| {
        let ordered = offset >= end;
        let Some(piece_end) = offset.checked_add(length) else {
            return false;
        };
        end = piece_end;
        stored = stored.saturating_add(length);
        ordered && end <= sparse.real_size
    });
    if fits && stored <= member.stored_size && i64::try_from(sparse.real_size).is_ok() {
        return Ok(());
    }
    Err(TarError::Sparse(printable(&member.path)))
}
