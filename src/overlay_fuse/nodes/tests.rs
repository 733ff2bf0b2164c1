// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the table of nodes.

use std::ffi::CStr;

use super::*;

fn key(ino: u64) -> Key {
    Key { device: 0, ino }
}

fn table() -> Table {
    Table::new(key(2), vec![Part::new(0, 0)], 100)
}

fn file(table: &mut Table, ino: u64, parent: NodeId, name: &CStr) -> NodeId {
    let id = table.insert(key(ino), Body::File(File::new(libc::S_IFREG, 0)));
    let link = Link {
        parent,
        name: Name::from(name),
        real: true,
    };
    table.add_link(id, link).unwrap();
    id
}

fn directory(table: &mut Table, ino: u64, parent: NodeId, name: &CStr) -> NodeId {
    let body = Directory::new(parent, Name::from(name), vec![Part::new(0, 0)]);
    table.insert(key(ino), Body::directory(body))
}

#[test]
fn natural_numbers() {
    let table = [
        (0, 17, Some(17)),
        (1, 17, Some((1 << 56) + 17)),
        (0, 1, None),
        (0, 0, None),
        (62, 5, Some((62 << 56) + 5)),
        (63, 5, None),
        (0, 1 << 56, None),
    ];
    for (device, ino, expected) in table {
        assert_eq!(Key { device, ino }.natural_id(), expected, "{device} {ino}");
    }
}

#[test]
fn nodes_go_with_their_last_lookup_and_take_their_directories_along() {
    let mut table = table();
    let outer = directory(&mut table, 10, ROOT, c"outer");
    let inner = directory(&mut table, 11, outer, c"inner");
    let leaf = file(&mut table, 12, inner, c"leaf");
    for id in [outer, inner, leaf, leaf] {
        table.count_lookup(id);
    }
    table.forget(outer, 1);
    table.forget(inner, 1);
    assert_eq!(table.len(), 4);
    table.forget(leaf, 1);
    assert_eq!(table.len(), 4);
    table.forget(leaf, 1);
    assert_eq!(table.len(), 1);
    table.forget(ROOT, 1);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_number_is_not_given_twice() {
    let mut table = table();
    let old = file(&mut table, 12, ROOT, c"old");
    table.count_lookup(old);
    assert_eq!(old, 12);
    table.detach(old);
    assert_eq!(table.find(key(12)), None);
    let new = file(&mut table, 12, ROOT, c"new");
    table.count_lookup(new);
    assert_ne!(new, old);
    assert_eq!(table.find(key(12)), Some(new));
    table.forget(new, 1);
    assert_eq!(table.find(key(12)), None);
    table.forget(old, 1);
    assert_eq!(file(&mut table, 12, ROOT, c"third"), 12);
}

#[test]
fn a_copy_is_found_by_both_files() {
    let mut table = table();
    let id = file(&mut table, 12, ROOT, c"name");
    table.count_lookup(id);
    table.add_key(id, Key { device: 1, ino: 99 });
    assert_eq!(table.find(key(12)), Some(id));
    assert_eq!(table.find(Key { device: 1, ino: 99 }), Some(id));
    table.forget(id, 1);
    assert_eq!(table.find(Key { device: 1, ino: 99 }), None);
}

#[test]
fn one_directory_on_disk_in_two_places() {
    let mut table = table();
    let here = directory(&mut table, 20, ROOT, c"here");
    let there = directory(&mut table, 20, ROOT, c"there");
    assert_ne!(here, there);
    let find = |table: &Table, name| table.find_directory(key(20), ROOT, &Name::from(name));
    assert_eq!(find(&table, c"here"), Some(here));
    assert_eq!(find(&table, c"there"), Some(there));
    table
        .move_directory(there, ROOT, &Name::from(c"elsewhere"))
        .unwrap();
    assert_eq!(find(&table, c"there"), None);
    assert_eq!(find(&table, c"elsewhere"), Some(there));
    table.release(there);
    assert_eq!(find(&table, c"elsewhere"), None);
}
