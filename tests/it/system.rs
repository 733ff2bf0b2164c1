// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands about the store and the host: check, prune, df, doctor, unshare, and the kinds of
//! objects of which there are none.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::support::host::is_root;
use crate::support::process::Call;
use crate::support::sandbox::{IMAGE, Tool, program, tool};
use crate::support::{Sandbox, requires};

/// Skips what only coracle has.
macro_rules! ours {
    () => {
        if tool() != Tool::Coracle {
            return;
        }
    };
}

#[test]
fn container_prune_takes_what_does_not_run() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let up = sandbox.background("up", &["sleep", "1000"]);
    let create = |name: &str, label: &str| {
        let label = format!("--label=of={label}");
        sandbox.ok([
            "create",
            "--name",
            name,
            "--network=none",
            &label,
            IMAGE,
            "true",
        ])
    };
    let [one, two] = [create("one", "a"), create("two", "b")];
    let ended = sandbox.ok(["run", "-d", "--network=none", "--label=of=b", IMAGE, "true"]);
    sandbox.ok(["wait", &ended]);
    assert_eq!(
        sandbox.ok(["container", "prune", "-f", "--filter", "until=1h"]),
        ""
    );
    assert_eq!(
        sandbox.ok(["container", "prune", "-f", "--filter", "label=of=a"]),
        one
    );
    let asked = sandbox.call(["container", "prune"]).stdin("n\n").run();
    assert!(
        asked
            .expect(0)
            .out()
            .starts_with("WARNING! This will remove all non running")
    );
    let pruned = sandbox.call(["container", "prune"]).stdin("y\n").run();
    let pruned = pruned.expect(0);
    assert!(pruned.out().contains(&two) && pruned.out().contains(&ended));
    assert_eq!(sandbox.ok(["ps", "-aq", "--no-trunc"]), up);
    sandbox
        .run(["container", "prune", "-f", "--filter", "name=x"])
        .expect(125)
        .says("name is an invalid filter");
    sandbox
        .call(["container", "prune"])
        .stdin("")
        .run()
        .expect(125)
        .says("EOF");
}

#[test]
fn containers_that_share_namespaces_are_pruned_together() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let base = sandbox.ok(["create", "--network=none", IMAGE, "true"]);
    let shared = format!("--pid=container:{base}");
    let guest = sandbox.ok(["create", "--network=none", &shared, IMAGE, "true"]);
    let pruned = sandbox.ok(["container", "prune", "-f"]);
    assert!(
        pruned.contains(&base) && pruned.contains(&guest),
        "{pruned}"
    );
}

#[test]
fn system_prune_tells_what_went_and_how_much() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "echo 12345 > /file";
    let id = sandbox.ok(["run", "-d", "--network=none", IMAGE, "sh", "-c", script]);
    sandbox.ok(["wait", &id]);
    let pruned = sandbox.ok(["system", "prune", "-f"]);
    assert!(
        pruned.starts_with(&format!("Deleted Containers\n{id}\n")),
        "{pruned}"
    );
    assert!(pruned.contains("Total reclaimed space: "), "{pruned}");
    assert_eq!(
        sandbox.ok(["system", "prune", "-f"]),
        "Total reclaimed space: 0B"
    );
    assert!(
        sandbox.ok(["images", "-q"]).len() >= 12,
        "the image is named"
    );
}

#[test]
fn what_killed_commands_left_goes_with_the_next_removal() {
    ours!();
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let id = sandbox.ok(["create", "--network=none", IMAGE, "true"]);
    let unfinished = sandbox
        .path("s/tmp")
        .join(format!("{}.created", "ab".repeat(32)));
    fs::create_dir_all(unfinished.join("upper/closed")).unwrap();
    fs::set_permissions(
        unfinished.join("upper/closed"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    let checked = sandbox.ok(["system", "check"]);
    assert!(
        checked.contains("left by a process that was killed"),
        "{checked}"
    );
    sandbox.ok(["rm", &id]);
    assert!(!unfinished.exists());
    assert_eq!(sandbox.ok(["system", "check"]), "");
}

#[test]
fn damage_is_told_repaired_and_hides_nothing_else() {
    ours!();
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let create =
        |name: &str| sandbox.ok(["create", "--name", name, "--network=none", IMAGE, "true"]);
    let [sound, lost, nameless] = ["sound", "lost", "nameless"].map(create);
    let file = |id: &str, name: &str| sandbox.path("s/containers").join(id).join(name);
    fs::write(file(&lost, "container.json"), "{\"id\":").unwrap();
    // What it wrote is not taken for what a killed command left.
    let write = ["--name", "ran", "--network=none", IMAGE, "touch", "/made"];
    sandbox.ok([&["run"][..], &write].concat());
    let ran = sandbox.field("ran", ".Id");
    fs::write(file(&ran, "container.json"), "").unwrap();
    fs::remove_file(sandbox.path("s/names/containers/nameless")).unwrap();
    symlink(
        "../../containers/none",
        sandbox.path("s/names/containers/stray"),
    )
    .unwrap();
    let listed = sandbox.run(["ps", "-aq", "--no-trunc"]).expect(0);
    assert!(listed.out().contains(&sound) && listed.out().contains(&nameless));
    assert!(listed.err().contains("is damaged"), "{}", listed.err());
    let checked = sandbox.run(["system", "check"]).expect(125);
    let checked = checked.says("damage detected in local storage");
    assert!(
        checked
            .out()
            .contains("its name \"nameless\" is not in the index")
    );
    sandbox
        .run(["system", "check", "--repair"])
        .expect(125)
        .says("damage in local storage could not be repaired");
    assert_eq!(sandbox.field("nameless", ".Name"), "nameless");
    assert!(file(&ran, "state.json").exists() && file(&ran, "upper").exists());
    sandbox.ok(["system", "check", "--repair", "--force"]);
    assert_eq!(sandbox.ok(["system", "check"]), "");
    assert!(!sandbox.ok(["ps", "-aq", "--no-trunc"]).contains(&lost));
}

#[test]
fn a_damaged_volume_network_or_secret_hides_no_other_and_can_be_removed() {
    ours!();
    let sandbox = Sandbox::new();
    let word = sandbox.file("word", "word");
    let mut ids = Vec::new();
    for name in ["sound", "lost"] {
        sandbox.ok(["volume", "create", name]);
        sandbox.ok(["network", "create", name]);
        ids.push(sandbox.ok(["secret", "create", name, &word]));
    }
    let secret = format!("s/secrets/{}.json", ids[1]);
    let cases = [
        ("volume", "s/volumes/lost/volume.json", "lost"),
        ("network", "s/networks/lost.json", "lost"),
        ("secret", &secret, &ids[1]),
    ];
    for (kind, record, word) in cases {
        fs::write(sandbox.path(record), "{").unwrap();
        let listed = sandbox.run([kind, "ls"]).expect(0);
        assert!(listed.out().contains("sound"), "{kind}: {}", listed.out());
        assert!(!listed.out().contains("lost"), "{kind}: {}", listed.out());
        assert!(listed.err().contains(word), "{kind}: {}", listed.err());
        sandbox.ok([kind, "inspect", "sound"]);
        sandbox.run([kind, "inspect", "lost"]).expect(125);
        sandbox.ok([kind, "rm", word]);
        assert_eq!(sandbox.run([kind, "ls"]).expect(0).err(), "", "{kind}");
        sandbox.ok([kind, "rm", "sound"]);
    }
    assert_eq!(sandbox.ok(["system", "check"]), "");
}

/// Records of every kind: whatever stands in their place is told, and costs nothing.
#[test]
fn a_directory_in_the_place_of_a_record_is_told_and_stays() {
    ours!();
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok(["run", "--name", "ran", "--network=none", IMAGE, "true"]);
    sandbox.ok(["volume", "create", "data"]);
    sandbox.ok(["network", "create", "net"]);
    let word = sandbox.file("word", "word");
    sandbox.ok(["secret", "create", "word", &word]);
    sandbox.ok(["pod", "create", "--infra=false", "--name", "pod"]);
    let only = |directory: &str| {
        let entries = fs::read_dir(sandbox.path(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let only = names.filter(|name| directory != "s/pods" || name.contains(".json"));
        format!("{directory}/{}", only.into_iter().next().unwrap())
    };
    let container = only("s/containers");
    let records = [
        (format!("{container}/state.json"), "its state is lost"),
        (format!("{container}/container.json"), "its record is lost"),
        (only("s/images"), "image "),
        (format!("{}/layer.json", only("s/layers")), "layer "),
        (only("s/secrets"), "read the secrets of this user"),
        (only("s/pods"), "pod "),
        ("s/volumes/data/volume.json".to_owned(), "volume data: "),
        ("s/networks/net.json".to_owned(), "read network net"),
    ];
    let kept = sandbox.path("kept");
    for (record, words) in records {
        let path = sandbox.path(&record);
        fs::rename(&path, &kept).unwrap();
        fs::create_dir(&path).unwrap();
        let checked = sandbox.run(["system", "check"]).expect(125);
        let checked = checked.says("damage detected in local storage");
        let told = |line: &str| line.contains(words) && line.contains("Is a directory");
        assert!(checked.out().lines().any(told), "{record}: {checked:?}");
        sandbox.run(["system", "check", "--repair"]).expect(125);
        fs::remove_dir(&path).expect("it was left alone");
        fs::rename(&kept, &path).unwrap();
    }
    assert_eq!(sandbox.ok(["system", "check"]), "");
}

#[test]
fn damage_of_volumes_and_layers_is_told_and_costs_no_file() {
    ours!();
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok(["volume", "create", "data"]);
    let write = ["-v", "data:/d", IMAGE, "sh", "-c", "echo kept >/d/file"];
    sandbox.ok([&["run", "--rm", "--network=none"][..], &write].concat());
    fs::write(sandbox.path("s/volumes/data/volume.json"), "").unwrap();
    let layers = fs::read_dir(sandbox.path("s/layers")).unwrap();
    let layer = layers.flatten().next().unwrap().path().join("layer.json");
    let away = sandbox.path("layer.json");
    fs::rename(&layer, &away).unwrap();
    let checked = sandbox.run(["system", "check"]).expect(125);
    assert!(checked.out().contains("volume data: its record is lost"));
    assert!(checked.out().contains("layer "), "{}", checked.out());
    let repaired = sandbox.run(["system", "check", "--repair"]).expect(125);
    assert!(
        repaired
            .out()
            .contains("its record is lost (EOF while parsing")
    );
    fs::rename(&away, &layer).unwrap();
    assert_eq!(sandbox.ok(["system", "check"]), "");
    let read = ["-v", "data:/d", IMAGE, "cat", "/d/file"];
    let read = sandbox.ok([&["run", "--rm", "--network=none"][..], &read].concat());
    assert_eq!(read, "kept");
    // A name that leads nowhere is told; a pipe in the place of a record is not waited for.
    let images = fs::read_dir(sandbox.path("s/images")).unwrap();
    let image = images.flatten().next().unwrap().path();
    let away = sandbox.path("image.json");
    fs::rename(&image, &away).unwrap();
    let checked = sandbox.run(["system", "check"]).expect(125);
    assert!(
        checked.out().contains("is gone; load or pull it again"),
        "{}",
        checked.out()
    );
    nix::unistd::mkfifo(&image, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let checked = sandbox.run(["system", "check"]).expect(125);
    assert!(checked.out().contains("is damaged"), "{}", checked.out());
    fs::rename(&away, &image).unwrap();
    assert_eq!(sandbox.ok(["system", "check"]), "");
}

#[test]
fn a_store_of_others_is_refused() {
    ours!();
    let sandbox = Sandbox::new();
    sandbox.file("thesis.tex", "");
    let root = sandbox.shown("");
    let refused = sandbox.run(["--root", &root, "ps"]).expect(125);
    refused
        .says("holds other files")
        .says("not a store of coracle");
    fs::create_dir_all(sandbox.path("open/containers")).unwrap();
    fs::set_permissions(sandbox.path("open"), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox
        .run(["--root", &sandbox.shown("open"), "ps"])
        .expect(125)
        .says("is open to other users (mode 0755)");
}

#[test]
fn df_counts_what_is_there() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.ok([
        "run",
        "--network=none",
        IMAGE,
        "sh",
        "-c",
        "echo 12345 > /file",
    ]);
    let table = sandbox.ok(["system", "df"]);
    assert!(
        table.starts_with("TYPE           TOTAL       ACTIVE      SIZE"),
        "{table}"
    );
    let rows = sandbox.ok([
        "system",
        "df",
        "--format",
        "{{.Type}}:{{.Total}}:{{.Active}}",
    ]);
    let kinds: Vec<&str> = rows.lines().collect();
    assert_eq!(kinds, ["Images:1:1", "Containers:1:0", "Local Volumes:0:0"]);
    sandbox.ok(["system", "df", "-v"]);
}

#[test]
fn there_are_no_pods_and_no_volumes_and_one_network() {
    let sandbox = Sandbox::new();
    for kind in ["pod", "volume"] {
        assert_eq!(sandbox.ok([kind, "ls", "-q"]), "");
        assert_eq!(sandbox.ok([kind, "ls", "--noheading"]), "");
        assert_eq!(sandbox.ok([kind, "ls", "--format", "json"]), "[]");
        assert_eq!(sandbox.ok([kind, "rm", "-a"]), "");
        assert_eq!(sandbox.ok([kind, "prune", "-f"]), "");
        sandbox.run([kind, "exists", "x"]).expect(1);
        sandbox.run([kind, "rm", "x"]).expect(1).says("no such");
        sandbox
            .run([kind, "inspect", "x"])
            .expect(125)
            .says("no such");
    }
    let network = sandbox.ok(["network", "ls", "--noheading"]);
    assert_eq!(network, "2f259bab93aa  podman      bridge");
    sandbox.run(["network", "exists", "podman"]).expect(0);
    sandbox
        .run(["network", "rm", "x"])
        .expect(1)
        .says("network not found");
    assert_eq!(sandbox.ok(["network", "prune", "-f"]), "");
}

/// The store is the same, and so are the owners of what it has, in the numbers of another namespace.
#[test]
fn commands_in_unshare_have_the_same_images_and_containers() {
    requires!("userns,range,unprivileged");
    let sandbox = Sandbox::with_image();
    let global = [
        "--root",
        &sandbox.shown("s"),
        "--runroot",
        &sandbox.shown("r"),
    ];
    let inside = |words: &[&str]| {
        let program = program();
        let unshare = ["unshare", program.as_str()];
        sandbox.ok([&unshare[..], &global, words].concat())
    };
    sandbox.ok(["run", "-d", "--name", "outer", IMAGE, "sleep", "1000"]);
    let script = "touch /new && chown 5:6 /new && stat -c '%u %g' /new";
    let words = ["run", "--name", "inner", IMAGE, "sh", "-c", script];
    assert_eq!(inside(&words), "5 6");
    assert_eq!(inside(&["exec", "outer", "id", "-u"]), "0");
    assert_eq!(sandbox.ok(["diff", "inner"]), "A /new");
    assert_eq!(sandbox.ok(["start", "-a", "inner"]), "5 6");
}

#[test]
fn unshare_enters_the_namespace_and_keeps_the_code() {
    requires!("userns");
    let sandbox = Sandbox::new();
    if is_root() {
        let refused = sandbox.run(["unshare", "true"]).expect(125);
        refused.says("please use unshare with rootless");
        return;
    }
    assert_eq!(sandbox.ok(["unshare", "id", "-u"]), "0");
    sandbox.run(["unshare", "sh", "-c", "exit 7"]).expect(7);
    sandbox
        .run(["unshare", "no-such-program"])
        .expect(127)
        .says("executable file not found in $PATH");
    sandbox.run(["unshare", "/etc/passwd"]).expect(126);
}

#[test]
fn doctor_looks_at_everything_and_says_whether_containers_run() {
    ours!();
    requires!("userns");
    let sandbox = Sandbox::new();
    let report = sandbox.ok(["doctor"]);
    for title in [
        "user namespaces",
        "subordinate ids",
        "FUSE",
        "cgroups",
        "store",
        "lingering",
    ] {
        assert!(report.contains(title), "{title} in {report}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.ok(["doctor", "--format", "json"])).unwrap();
    assert_eq!(json["canRun"], true);
    assert_eq!(json["findings"][0]["feature"], "userNamespaces");
    sandbox.file("file", "");
    let refused = sandbox
        .run(["--root", &sandbox.shown("file"), "doctor"])
        .expect(1);
    assert!(refused.out().contains("fatal  store"), "{}", refused.out());
}

#[test]
fn the_configuration_chooses_the_words_and_the_defaults() {
    ours!();
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let text =
        "[containers]\nenv=['FROM=file']\nannotations=['a=b']\ntz=5\n[engine]\nmode='docker'";
    let file = sandbox.file("containers.conf", text);
    let with_file = |words: &[&str]| -> Call {
        let call = sandbox.call(words.iter().copied());
        call.env("CONTAINERS_CONF", &file).env("CORACLE_MODE", "")
    };
    let network = ["run", "--rm", "--network=none"];
    let run = with_file(&[&network[..], &[IMAGE, "sh", "-c", "echo $FROM"]].concat()).run();
    let run = run.expect(0);
    assert_eq!(run.out(), "file");
    assert!(
        run.err()
            .contains("containers.tz must be a string, not a number"),
        "{}",
        run.err()
    );
    sandbox.file("containers.conf", "[containers\n");
    let words = [&network[..], &[IMAGE, "true"]].concat();
    with_file(&words)
        .run()
        .expect(125)
        .says("containers.conf, line 1");
}

#[test]
fn images_of_another_store_are_used_and_never_changed() {
    requires!("userns");
    ours!();
    let (shared, sandbox) = (Sandbox::with_image(), Sandbox::new());
    let store = format!("overlay.imagestore={}", shared.shown("s"));
    let with = |line: &[&str]| {
        let all = [&["--storage-opt", store.as_str()], line].concat();
        sandbox.run(all)
    };
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        IMAGE,
        "cat",
        "/etc/issue",
    ];
    let shown = with(&run).expect(0);
    assert_eq!(shown.out(), "a small root file system");
    let listed = with(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).expect(0);
    assert_eq!(listed.out(), IMAGE);
    with(&["rmi", IMAGE]).expect(1).says("not known");
    assert_eq!(sandbox.ok(["images", "-q"]), "", "it is not ours");
    let info = "{{index .Store.GraphOptions \"overlay.additionalImageStores\"}}";
    let info = with(&["info", "--format", info]).expect(0);
    assert_eq!(info.out(), format!("[{}]", shared.shown("s")));
}

#[test]
fn a_reset_leaves_nothing() {
    requires!("userns");
    ours!();
    let sandbox = Sandbox::with_image();
    sandbox.background("up", &["sleep", "1000"]);
    let asked = sandbox.call(["system", "reset"]).stdin("n\n").run();
    asked.expect(0);
    assert!(sandbox.path("s/version").symlink_metadata().is_ok());
    sandbox.ok(["system", "reset", "--force"]);
    assert!(!sandbox.path("s").exists() && !sandbox.path("r").exists());
}

/// Roots that were made by hand, with the usual mask, are closed by the first command that leaves
/// something in them.
#[test]
fn roots_that_are_there_beforehand_are_closed() {
    ours!();
    requires!("userns");
    let sandbox = Sandbox::new();
    let roots = ["s", "r"].map(|name| sandbox.path(name));
    for root in &roots {
        fs::create_dir(root).unwrap();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox.ok(["--log-level=error", "info"]);
    for root in &roots {
        let others = fs::metadata(root).unwrap().permissions().mode() & 0o077;
        let empty = fs::read_dir(root).unwrap().next().is_none();
        assert!(others == 0 || empty, "{root:?}: {others:o}");
    }
    sandbox.ok(["system", "reset", "--force"]);
}

/// Addresses of Unix sockets end at 107 bytes.
#[test]
fn a_run_root_has_a_name_of_any_length() {
    ours!();
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let (root, run) = (sandbox.shown("s"), sandbox.shown(&"r".repeat(120)));
    let call = |words: &[&str]| {
        let line = [&["--root", &root, "--runroot", &run][..], words].concat();
        Call::new(&program()).args(line).run().expect(0)
    };
    call(&[
        "run",
        "-d",
        "--name=far",
        "--network=none",
        IMAGE,
        "sleep",
        "100",
    ]);
    call(&["exec", "far", "true"]);
    call(&["rm", "-f", "-t", "0", "far"]);
}
