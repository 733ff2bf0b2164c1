// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The members of a stream, one after the other, with their data.

use std::io;

use tar::Header;

use super::header::{self, BLOCK, HeaderKind};
use super::pax::PaxRecords;
use super::recipe::RecipeWriter;
use super::sparse_map::check_sparse;
use super::{Limits, Member, MemberKind, TarError, TarInput};

/// A tar stream, read member by member.
#[derive(Debug)]
pub(crate) struct TarStream<R> {
    input: R,
    pub(super) limits: Limits,
    global: PaxRecords,
    members: u64,
    pub(super) position: u64,
    /// Data of the current member that was not read yet.
    pub(super) data_left: u64,
    /// Padding after it.
    padding_left: u64,
    ended: bool,
    recipe: Option<RecipeWriter>,
}

/// What extension headers said about the member to come.
#[derive(Default)]
struct Pending {
    pax: PaxRecords,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: TarInput> TarStream<R> {
    /// A stream at its first header.
    pub(crate) fn new(input: R, limits: Limits) -> Self {
        Self {
            input,
            limits,
            global: PaxRecords::default(),
            members: 0,
            position: 0,
            data_left: 0,
            padding_left: 0,
            ended: false,
            recipe: None,
        }
    }

    /// Notes down everything that is not the data of files. From then on whoever reads a member's
    /// data must say where they are kept: [`TarStream::keep_data_at`].
    pub(crate) fn record(&mut self, recipe: Option<RecipeWriter>) {
        self.recipe = recipe;
    }

    /// The data of this member, not read yet, will be these pieces of the file at `path`.
    pub(crate) fn keep_data_at(&mut self, path: &[u8], pieces: &[(u64, u64)]) -> io::Result<()> {
        match &mut self.recipe {
            Some(recipe) => recipe.file(path, pieces),
            None => Ok(()),
        }
    }

    /// Ends the recipe; to be called after [`TarStream::drain`].
    pub(crate) fn finish_recipe(&mut self) -> io::Result<()> {
        self.recipe.take().map_or(Ok(()), RecipeWriter::finish)
    }

    /// How many bytes of the stream were read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next member, after what is left of this one's data; `None` at the end.
    pub(crate) fn next_member(&mut self) -> Result<Option<Member>, TarError> {
        self.skip_data()?;
        let mut pending = Pending {
            pax: self.global.clone(),
            ..Pending::default()
        };
        while let Some(header) = self.read_header()? {
            let kind = header::kind(&header)?;
            let size = header::stored_size(&header)?;
            match kind {
                HeaderKind::LongName => pending.long_name = Some(self.read_name(size)?),
                HeaderKind::LongLink => pending.long_link = Some(self.read_name(size)?),
                HeaderKind::PaxLocal => pending.pax.read(&self.read_extension(size)?)?,
                HeaderKind::PaxGlobal => {
                    let records = self.read_extension(size)?;
                    self.global.read(&records)?;
                    pending.pax.read(&records)?;
                }
                HeaderKind::Skipped => {
                    self.begin_data(size);
                    self.skip_data()?;
                }
                HeaderKind::OldSparse => {
                    let sparse = self.read_old_sparse(&header)?;
                    let mut member = self.member(&header, MemberKind::File, size, pending)?;
                    member.sparse = Some(sparse);
                    return Ok(Some(member));
                }
                HeaderKind::Member(kind) => {
                    return self.member(&header, kind, size, pending).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Hands the next piece of the current member's data to `sink`; false when there is none.
    pub(crate) fn read_data(
        &mut self,
        most: u64,
        sink: impl FnOnce(&[u8]) -> io::Result<()>,
    ) -> Result<u64, DataError> {
        if self.data_left == 0 || most == 0 {
            return Ok(0);
        }
        let available = self.input.fill_buf().map_err(TarError::Read)?;
        if available.is_empty() {
            return Err(TarError::Truncated.into());
        }
        let most = most.min(self.data_left);
        let length =
            usize::try_from(most).map_or(available.len(), |most| most.min(available.len()));
        sink(&available[..length]).map_err(DataError::Sink)?;
        self.input.consume(length);
        self.position += length as u64;
        self.data_left -= length as u64;
        Ok(length as u64)
    }

    /// Reads what stands after the end mark, so that everything that came was seen and hashed.
    pub(crate) fn drain(&mut self) -> Result<(), TarError> {
        loop {
            let available = self.input.fill_buf()?;
            let length = available.len();
            if length == 0 {
                return Ok(());
            }
            if let Some(recipe) = &mut self.recipe {
                recipe.raw(available)?;
            }
            self.input.consume(length);
            self.position += length as u64;
        }
    }

    fn member(
        &mut self,
        header: &Header,
        kind: MemberKind,
        size: u64,
        pending: Pending,
    ) -> Result<Member, TarError> {
        self.members += 1;
        if self.members > self.limits.members {
            return Err(TarError::TooManyMembers(self.limits.members));
        }
        let pax = pending.pax;
        let path = pax
            .path
            .or(pending.long_name)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = header::kind_by_path(header, kind, &path);
        // Only files have data, whatever the header of a link or directory claims.
        let stored_size = match kind {
            MemberKind::File => pax.size.unwrap_or(size),
            MemberKind::HardLink
            | MemberKind::Symlink
            | MemberKind::CharDevice
            | MemberKind::BlockDevice
            | MemberKind::Directory
            | MemberKind::Fifo => 0,
        };
        if i64::try_from(stored_size).is_err() {
            return Err(TarError::Header(format!("size of {stored_size} bytes")));
        }
        self.begin_data(stored_size);
        let link = pax
            .link
            .or(pending.long_link)
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let mut member = Member {
            path,
            kind,
            mode: header::mode(header),
            uid: pax.uid.unwrap_or_else(|| header.uid().unwrap_or(0)),
            gid: pax.gid.unwrap_or_else(|| header.gid().unwrap_or(0)),
            modified: pax.modified.unwrap_or_else(|| header::modified(header)),
            link,
            device: header::device(header),
            stored_size,
            sparse: None,
            xattrs: pax.xattrs,
        };
        if kind == MemberKind::File && pax.sparse.is_sparse {
            if let Some(name) = pax.sparse.name.clone() {
                member.path = name;
            }
            member.sparse = Some(self.pax_sparse_map(&pax.sparse, &member.path)?);
            member.stored_size = self.data_left;
        }
        if member.path.len().max(member.link.len()) > self.limits.path_bytes {
            return Err(TarError::PathTooLong(self.limits.path_bytes));
        }
        check_sparse(&member)?;
        Ok(member)
    }

    fn begin_data(&mut self, size: u64) {
        self.data_left = size;
        self.padding_left = size.next_multiple_of(BLOCK as u64) - size;
    }

    fn skip_data(&mut self) -> Result<(), TarError> {
        let left = self.data_left + self.padding_left;
        self.data_left = 0;
        self.padding_left = 0;
        let skipped = match &mut self.recipe {
            Some(recipe) => copy_raw(&mut self.input, left, recipe)?,
            None => self.input.skip(left)?,
        };
        if skipped < left {
            return Err(TarError::Truncated);
        }
        self.position += left;
        Ok(())
    }

    /// The next header; `None` at the end mark, or where the stream ends without one.
    fn read_header(&mut self) -> Result<Option<Header>, TarError> {
        if self.ended {
            return Ok(None);
        }
        let mut header = Header::new_old();
        if !self.read_block(header.as_mut_bytes())? || *header.as_bytes() == [0; BLOCK] {
            self.ended = true;
            return Ok(None);
        }
        header::check(&header)?;
        Ok(Some(header))
    }

    /// Fills `block`; false if the stream ended before it.
    pub(super) fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, TarError> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(TarError::Truncated),
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(recipe) = &mut self.recipe {
            recipe.raw(block)?;
        }
        self.position += BLOCK as u64;
        Ok(true)
    }

    fn read_extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > self.limits.extension_bytes {
            let position = self.position;
            return Err(TarError::ExtensionTooLong { size, position });
        }
        self.begin_data(size);
        let mut bytes = Vec::new();
        while self.data_left > 0 {
            self.read_data(u64::MAX, |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })
            .map_err(DataError::into_tar)?;
        }
        if let Some(recipe) = &mut self.recipe {
            recipe.raw(&bytes)?;
        }
        self.skip_data()?;
        Ok(bytes)
    }

    /// A long name ends with a NUL.
    fn read_name(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        let mut name = self.read_extension(size)?;
        if let Some(end) = name.iter().position(|&byte| byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }
}

/// Why data could not be handed on.
#[derive(Debug)]
pub(crate) enum DataError {
    /// The stream failed.
    Tar(TarError),
    /// The taker failed.
    Sink(io::Error),
}

impl DataError {
    fn into_tar(self) -> TarError {
        match self {
            Self::Tar(error) => error,
            Self::Sink(error) => TarError::Read(error),
        }
    }
}

impl From<TarError> for DataError {
    fn from(error: TarError) -> Self {
        Self::Tar(error)
    }
}

/// Passes over `length` bytes that the recipe must have; returns how many there were.
fn copy_raw(input: &mut impl TarInput, length: u64, recipe: &mut RecipeWriter) -> io::Result<u64> {
    let mut left = length;
    while left > 0 {
        let available = input.fill_buf()?;
        if available.is_empty() {
            break;
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let step = most.min(available.len());
        recipe.raw(&available[..step])?;
        input.consume(step);
        left -= step as u64;
    }
    Ok(length - left)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    type Listed = (String, MemberKind, Vec<u8>);

    /// Every member with the data stored for it.
    fn read_all(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, TarError> {
        let mut stream = TarStream::new(bytes, Limits::default());
        let mut members = Vec::new();
        while let Some(member) = stream.next_member()? {
            let mut stored = Vec::new();
            while stream
                .read_data(u64::MAX, |piece| {
                    stored.extend_from_slice(piece);
                    Ok(())
                })
                .map_err(DataError::into_tar)?
                > 0
            {}
            members.push((member, stored));
        }
        stream.drain()?;
        assert_eq!(stream.position(), bytes.len() as u64);
        Ok(members)
    }

    fn expand(member: &Member, stored: Vec<u8>) -> Vec<u8> {
        let Some(sparse) = &member.sparse else {
            return stored;
        };
        let mut whole = vec![0; usize::try_from(sparse.real_size).unwrap()];
        let mut data = &stored[..];
        for &(offset, length) in &sparse.pieces {
            let offset = usize::try_from(offset).unwrap();
            let length = usize::try_from(length).unwrap();
            whole[offset..offset + length].copy_from_slice(&data[..length]);
            data = &data[length..];
        }
        whole
    }

    fn listed(bytes: &[u8]) -> Vec<Listed> {
        let members = read_all(bytes).unwrap().into_iter();
        members
            .map(|(member, data)| {
                let data = expand(&member, data);
                (String::from_utf8(member.path).unwrap(), member.kind, data)
            })
            .collect()
    }

    #[test]
    fn every_format_of_gnu_tar_reads() {
        let directory = tempfile::tempdir().unwrap();
        let long = "d".repeat(120) + "/" + &"f".repeat(130);
        let root = directory.path();
        std::fs::create_dir(root.join("d".repeat(120))).unwrap();
        std::fs::File::create(root.join(&long)).unwrap();
        std::fs::hard_link(root.join(&long), root.join("hard")).unwrap();
        std::os::unix::fs::symlink(&long, root.join("link")).unwrap();
        let mut holes = vec![0_u8; 3 << 20];
        for at in (0..holes.len()).step_by(64 << 10).skip(1) {
            holes[at..at + 4096].fill(b'x');
        }
        std::fs::File::create(root.join("empty")).unwrap();
        let sparse = std::fs::File::create(root.join("sparse")).unwrap();
        sparse.set_len(holes.len() as u64).unwrap();
        for at in (0..holes.len()).step_by(64 << 10).skip(1) {
            std::os::unix::fs::FileExt::write_all_at(&sparse, &[b'x'; 4096], at as u64).unwrap();
        }
        for format in [
            "--format=gnu",
            "--format=posix",
            "--format=posix --sparse-version=0.0",
            "--format=posix --sparse-version=0.1",
            "--format=posix --sparse-version=1.0",
        ] {
            let made = Command::new("tar")
                .args(format.split(' '))
                .args(["--sparse", "-C"])
                .arg(root)
                .args(["-cf", "-", &long, "hard", "link", "empty", "sparse"])
                .output()
                .expect("GNU tar is part of every Debian");
            assert!(made.stdout.len() < 2 << 20, "{format}: not sparse");
            let members = listed(&made.stdout);
            let names: Vec<_> = members
                .iter()
                .map(|(name, kind, _)| (&name[..], *kind))
                .collect();
            let expected = [
                (&long[..], MemberKind::File),
                ("hard", MemberKind::HardLink),
                ("link", MemberKind::Symlink),
                ("empty", MemberKind::File),
                ("sparse", MemberKind::File),
            ];
            assert_eq!(names, expected, "{format}");
            assert!(members[4].2 == holes, "{format}: other data");
        }
    }

    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, data) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn more_than_is_bounded_is_refused() {
        use tar::EntryType as Kind;
        let three = archive(&["a", "b", "c"].map(|name| (name, Kind::Regular, &b""[..])));
        let long = archive(&[
            ("long", Kind::GNULongName, &[b'x'; 600]),
            ("a", Kind::Regular, b""),
        ]);
        let read = |bytes: &[u8], limits| {
            let mut stream = TarStream::new(bytes, limits);
            loop {
                match stream.next_member() {
                    Ok(Some(_)) => {}
                    Ok(None) => return String::new(),
                    Err(error) => return error.to_string(),
                }
            }
        };
        let all = Limits::default();
        let members = Limits { members: 2, ..all };
        let path_bytes = Limits {
            path_bytes: 500,
            ..all
        };
        let extension_bytes = Limits {
            extension_bytes: 599,
            ..all
        };
        assert_eq!((read(&three, all), read(&long, all)), Default::default());
        assert_eq!(
            read(&three, members),
            TarError::TooManyMembers(2).to_string()
        );
        assert_eq!(
            read(&long, path_bytes),
            TarError::PathTooLong(500).to_string()
        );
        assert_ne!(read(&long, extension_bytes), "");
    }

    #[test]
    fn damaged_streams_are_refused_not_believed() {
        use tar::EntryType as Kind;
        let good = archive(&[("a", Kind::Regular, b"data"), ("b", Kind::Regular, b"")]);
        assert_eq!(listed(&good).len(), 2);
        assert!(read_all(b"").unwrap().is_empty());
        assert!(matches!(read_all(&good[..600]), Err(TarError::Truncated)));
        assert!(matches!(read_all(&good[..100]), Err(TarError::Truncated)));
        let mut wrong = good.clone();
        wrong[0] = b'z';
        assert!(matches!(read_all(&wrong), Err(TarError::Header(_))));
        let unknown = archive(&[("a", Kind::new(b'Q'), b"")]);
        assert!(matches!(
            read_all(&unknown),
            Err(TarError::UnknownKind { .. })
        ));
        let many = vec![b'n'; 2 << 20];
        let long = archive(&[("L", Kind::GNULongName, &many)]);
        assert!(matches!(
            read_all(&long),
            Err(TarError::ExtensionTooLong { .. })
        ));
        let path = vec![b'n'; 5000];
        let long = archive(&[("L", Kind::GNULongName, &path), ("a", Kind::Regular, b"")]);
        assert!(matches!(read_all(&long), Err(TarError::PathTooLong(_))));
        for records in [
            &b"30 size=18446744073709551615\n"[..],
            b"22 GNU.sparse.major=1\n",
            b"25 GNU.sparse.map=9,1,0,1\n",
            b"xx",
        ] {
            let bytes = archive(&[("x", Kind::XHeader, records), ("a", Kind::Regular, b"1")]);
            assert!(
                read_all(&bytes).is_err(),
                "{}",
                String::from_utf8_lossy(records)
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(noise in proptest::collection::vec(0_u8.., 0..64), at in 0_usize..4096) {
            use tar::EntryType as Kind;
            let mut bytes = archive(&[
                ("x", Kind::XHeader, b"22 GNU.sparse.major=1\n30 GNU.sparse.realsize=000004\n"),
                ("a", Kind::Regular, b"1\n0\n4\n"),
                ("s", Kind::GNUSparse, b"data"),
            ]);
            for (offset, byte) in noise.iter().enumerate() {
                if let Some(place) = bytes.get_mut(at + offset) {
                    *place = *byte;
                }
            }
            for start in (0..bytes.len()).step_by(BLOCK) {
                let block = Header::from_byte_slice(&bytes[start..start + BLOCK]);
                let mut fixed = block.clone();
                fixed.set_cksum();
                bytes[start + 148..start + 156].copy_from_slice(&fixed.as_bytes()[148..156]);
            }
            drop(read_all(&bytes));
        }
    }
}
