// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bytes of a file, sparse ones at their places.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::path::CleanPath;
use crate::storage::tar::{DataError, Member, TarInput, TarStream};

pub(super) fn write_data(
    path: &CleanPath,
    file: &File,
    member: &Member,
    stream: &mut TarStream<impl TarInput>,
) -> Result<(), DataError> {
    let whole = [(0, member.stored_size)];
    let pieces = match &member.sparse {
        Some(sparse) => {
            sparse.set_length(file, member)?;
            &sparse.pieces[..]
        }
        None => &whole[..],
    };
    if member.stored_size > 0 {
        let kept = stream.keep_data_at(path.bytes(), pieces);
        kept.map_err(DataError::Sink)?;
    }
    for &(offset, length) in pieces {
        let mut written = 0;
        while written < length {
            let step = stream.read_data(length - written, |bytes| {
                file.write_all_at(bytes, offset + written)
            })?;
            if step == 0 {
                let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(DataError::Sink(cut));
            }
            written += step;
        }
    }
    Ok(())
}
