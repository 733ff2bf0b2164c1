// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the flags of mounts.

use super::*;

fn fill(args: MountArgs) -> Result<ContainerRequest, String> {
    let mut request = ContainerRequest::default();
    args.fill(&mut request, Path::new("/home/ana"))
        .map(|()| request)
        .map_err(|error| error.to_string())
}

fn volumes(texts: &[&str]) -> Result<Vec<String>, String> {
    let args = MountArgs {
        volume: texts.iter().map(ToString::to_string).collect(),
        ..MountArgs::default()
    };
    let show = |mount: &MountRequest| {
        let options = mount.options.join(",");
        format!(
            "{:?} {}:{} {options}",
            mount.kind, mount.source, mount.container_path
        )
    };
    fill(args).map(|request| request.mounts.iter().map(show).collect())
}

#[test]
fn a_mistake_in_the_file_is_told_as_one_of_the_file() {
    let conf = ContainersSection {
        mounts: Some(vec!["type=bogus,dst=/b".to_owned()]),
        ..ContainersSection::default()
    };
    let refused = MountArgs::default().default_from(&conf, Namespace::Own);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "parsing containers.conf mounts: invalid filesystem type \"bogus\""
    );
}

#[test]
fn volumes_are_read() {
    let cases = [
        ("/a:/b", "Bind /a:/b "),
        ("/a/:/b/:ro,Z", "Bind /a:/b ro,Z"),
        (".:/w", "Bind /home/ana:/w "),
        ("./x:/w", "Bind /home/ana/x:/w "),
        ("../bob:/w:rslave", "Bind /home/bob:/w rslave"),
        ("/a:/b:O", "Overlay /a:/b O"),
        ("/a:/b:cached", "Bind /a:/b "),
        ("/a://b/../c", "Bind /a:/c "),
    ];
    for (text, want) in cases {
        assert_eq!(volumes(&[text]), Ok(vec![want.to_owned()]), "{text}");
    }
}

#[test]
fn what_is_no_path_names_a_volume() {
    assert_eq!(
        volumes(&["data:/b"]),
        Ok(vec!["Volume data:/b ".to_owned()])
    );
}

#[test]
fn wrong_volumes_say_why() {
    let cases = [
        (
            "/a:/b:ro:x",
            "/a:/b:ro:x: incorrect volume format, should be [host-dir:]ctr-dir[:option]",
        ),
        (":/b", "host directory cannot be empty"),
        ("/a:", "container directory cannot be empty"),
        (
            "/a:b",
            "invalid container path \"b\", must be an absolute path",
        ),
        ("/a:/b:bogus", "invalid option type \"bogus\""),
    ];
    for (text, message) in cases {
        assert_eq!(volumes(&[text]), Err(message.to_owned()), "{text}");
    }
}

#[test]
fn one_path_takes_one_mount() {
    assert_eq!(volumes(&["/a:/b", "/a:/b"]).unwrap().len(), 1);
    assert_eq!(
        volumes(&["/a:/b", "/c:/b"]),
        Err("/b: duplicate mount destination".to_owned())
    );
}

#[test]
fn temporary_file_systems_have_options() {
    let mount = tmpfs("/t:size=64m,mode=1777,exec").unwrap();
    assert_eq!(mount.kind, MountKind::Tmpfs);
    assert_eq!(mount.options, ["size=64m", "mode=1777", "exec"]);
    assert!(tmpfs("t").is_err());
    assert!(tmpfs("/t:bogus").is_err());
}

#[test]
fn devices_follow_the_grammar() {
    for good in [
        "/dev/fuse",
        "/dev/a:/dev/b",
        "/dev/a:rw",
        "/dev/a:/dev/b:rwm",
        "nvidia.com/gpu=all",
    ] {
        assert_eq!(check_device(good), Ok(()), "{good}");
    }
    let cases = [
        ("/dev/a:x", "invalid device mode: x"),
        ("/dev/a:/dev/b:rwx", "invalid device mode: rwx"),
        ("/dev/a:b:rw", "invalid device mode: b"),
        (":/dev/b", "invalid device specification: :/dev/b"),
    ];
    for (text, message) in cases {
        assert_eq!(check_device(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_missing_source_is_an_error_or_made() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("a/b");
    let error = check_source(&missing, Dialect::Podman).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("statfs {}: no such file or directory", missing.display())
    );
    check_source(&missing, Dialect::Docker).unwrap();
    assert!(missing.is_dir());
}

#[test]
fn shm_size_is_in_bytes() {
    assert_eq!(shm_size("64m"), Ok(64 << 20));
    assert!(
        shm_size("x")
            .unwrap_err()
            .to_string()
            .starts_with("unable to translate --shm-size")
    );
}
