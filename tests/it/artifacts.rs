// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files that are no images: kept, looked at, mounted, pushed, pulled and removed.

use std::fs;

use serde_json::Value;

use crate::support::registry::Registry;
use crate::support::{Sandbox, requires};

const NAME: &str = "localhost/test/model";
const INSECURE: &str = "--tls-verify=false";
const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

fn inspect(sandbox: &Sandbox, name: &str) -> Value {
    serde_json::from_str(&sandbox.ok(["artifact", "inspect", name])).unwrap()
}

/// Files of artifacts in the store.
fn kept(sandbox: &Sandbox) -> usize {
    let root = sandbox.ok(["info", "--format", "{{.Store.GraphRoot}}"]);
    fs::read_dir(format!("{root}/artifacts")).map_or(0, Iterator::count)
}

#[test]
fn an_artifact_is_made_of_files_added_to_replaced_and_removed() {
    let sandbox = Sandbox::new();
    let one = sandbox.file("one.txt", "first\n");
    let two = sandbox.file("two.yaml", "a: b\n");
    let first = sandbox.ok(["artifact", "add", "--annotation=color=blue", NAME, &one]);
    let found = inspect(&sandbox, NAME);
    assert_eq!(found["Name"], NAME);
    assert_eq!(found["Digest"], format!("sha256:{first}"));
    let manifest = &found["Manifest"];
    assert_eq!(manifest["config"]["digest"], EMPTY);
    assert_eq!(manifest["config"]["data"], "e30=");
    assert_eq!(manifest["annotations"]["color"], "blue");
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "text/plain; charset=utf-8");
    assert_eq!(layer["annotations"]["color"], "blue");
    assert_eq!(
        layer["annotations"]["org.opencontainers.image.title"],
        "one.txt"
    );

    let again = sandbox.run(["artifact", "add", NAME, &two]).expect(125);
    again.says(&format!("Error: {NAME}: artifact already exists"));
    let twice = sandbox
        .run(["artifact", "add", "--append", NAME, &one])
        .expect(125);
    twice.says("Error: one.txt: file already exists in artifact");
    let typed = ["artifact", "add", "--append", "--type=a/b", NAME, &two];
    let typed = sandbox.run(typed).expect(125);
    typed.says("append option is not compatible with type option");
    let kind = "--file-type=text/yaml";
    let second = sandbox.ok(["artifact", "add", "--append", kind, NAME, &two]);
    let format = "{{.Digest}} {{len .Manifest.Layers}} {{.TotalSizeBytes}}";
    let shown = sandbox.ok(["artifact", "inspect", "-f", format, &second[..12]]);
    assert_eq!(shown, format!("sha256:{second} 2 11"));
    let created = |found: &Value| {
        found["Manifest"]["annotations"]["org.opencontainers.image.created"].clone()
    };
    assert_eq!(created(&inspect(&sandbox, NAME)), created(&found));
    // What the first manifest was is gone: its blobs are the second's.
    assert_eq!(kept(&sandbox), 4);

    let table = sandbox.ok(["artifact", "ls"]);
    let columns: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(columns, ["REPOSITORY", "TAG", "DIGEST", "CREATED", "SIZE"]);
    let format = "{{.Repository}}|{{.Tag}}|{{.Digest}}|{{.VirtualSize}}";
    let row = sandbox.ok(["artifact", "ls", "--no-trunc", "--format", format]);
    assert_eq!(row, format!("{NAME}||{second}|11"));

    let third = sandbox.ok(["artifact", "add", "--replace", NAME, &two]);
    assert_eq!(kept(&sandbox), 3);
    let gone = sandbox.run(["artifact", "inspect", &second]).expect(125);
    gone.says(&format!("Error: {second}: artifact does not exist"));
    assert_eq!(sandbox.ok(["artifact", "rm", NAME]), third);
    assert_eq!(kept(&sandbox), 0);
    let missing = sandbox.run(["artifact", "rm", NAME]).expect(125);
    missing.says(&format!("Error: {NAME}: artifact does not exist"));
    sandbox.ok(["artifact", "rm", "--ignore", NAME]);
    let bare = sandbox.run(["artifact", "rm"]).expect(125);
    bare.says("at least one artifact name or digest must be specified");
}

#[test]
fn what_cannot_be_added_leaves_nothing() {
    let sandbox = Sandbox::new();
    let (one, absent) = (sandbox.file("one", "1"), sandbox.shown("absent"));
    let missing = sandbox
        .run(["artifact", "add", NAME, &one, &absent])
        .expect(125);
    missing.says("o such file or directory");
    let twice = sandbox
        .run(["artifact", "add", NAME, &one, &one])
        .expect(125);
    twice.says("Error: one: file already exists in artifact");
    let directory = sandbox
        .run(["artifact", "add", NAME, &sandbox.shown("")])
        .expect(125);
    directory.says("s a directory");
    let both = ["artifact", "add", "--append", "--replace", NAME, &one];
    let both = sandbox.run(both).expect(125);
    both.says("--append and --replace options cannot be used together");
    sandbox
        .run(["artifact", "add", "Not/A Name", &one])
        .expect(125);
    assert_eq!(sandbox.ok(["artifact", "ls", "--noheading"]), "");
    assert_eq!(kept(&sandbox), 0);
    assert_eq!(sandbox.ok(["system", "check"]), "");
}

#[test]
fn blobs_are_extracted_under_names_that_lead_nowhere_else() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.file("one", "1"), sandbox.file("two", "22"));
    sandbox.ok(["artifact", "add", NAME, &one, &two]);
    let place = sandbox.path("out");
    fs::create_dir(&place).unwrap();
    let out = sandbox.shown("out");
    let extract = |more: &[&str], target: &str| {
        let words = ["artifact", "extract"].into_iter();
        sandbox.run(words.chain(more.iter().copied()).chain([NAME, target]))
    };
    extract(&[], &out).expect(0);
    assert_eq!(fs::read_to_string(place.join("one")).unwrap(), "1");
    assert_eq!(fs::read_to_string(place.join("two")).unwrap(), "22");
    let file = sandbox.shown("file");
    let several = extract(&[], &file).expect(125);
    several.says("the artifact consists of several blobs and the target");
    extract(&["--title=two"], &file).expect(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "22");
    let none = extract(&["--title=three"], &file).expect(125);
    none.says("no blob with the title \"three\"");
    let digest = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
    extract(&[&format!("--digest={digest}")], &out).expect(0);
    let named = place.join(digest.replace(':', "-"));
    assert_eq!(fs::read_to_string(named).unwrap(), "1");

    let title = "--annotation=org.opencontainers.image.title=../../evil";
    sandbox.ok(["artifact", "add", "--replace", title, NAME, &one]);
    let evil = extract(&[], &out).expect(125);
    evil.says("invalid name: \"../../evil\" cannot contain /");
    extract(&[], &file).expect(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "1");
}

#[test]
fn artifacts_go_to_a_registry_and_come_back() {
    requires!("registry");
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    let name = registry.name("test/model:1");
    let one = sandbox.file("one.txt", "first\n");
    let digest = sandbox.ok(["artifact", "add", "--type=a/b", &name, &one]);
    let file = sandbox.shown("digest");
    let digest_file = format!("--digestfile={file}");
    sandbox.ok(["artifact", "push", "-q", INSECURE, &digest_file, &name]);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!("sha256:{digest}")
    );
    let before = inspect(&sandbox, &name);
    sandbox.ok(["artifact", "rm", "-a"]);
    assert_eq!(kept(&sandbox), 0);
    sandbox.ok(["artifact", "pull", "-q", INSECURE, &name]);
    assert_eq!(inspect(&sandbox, &name), before);
    assert_eq!(before["Manifest"]["artifactType"], "a/b");
    // An image it is not.
    let image = sandbox.run(["pull", "-q", INSECURE, &name]).expect(125);
    image.says("it is an artifact");
    let absent = registry.name("test/absent");
    let absent = sandbox
        .run(["artifact", "pull", INSECURE, &absent])
        .expect(125);
    absent.says("manifest unknown");
    let nobody = [
        "artifact",
        "pull",
        "--retry=1",
        "--retry-delay=10ms",
        "127.0.0.1:1/a/b",
    ];
    sandbox.run(nobody).expect(125).says("retrying in 10ms ...");
}

#[test]
fn an_artifact_is_mounted_into_containers() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let (one, two) = (sandbox.file("one", "1"), sandbox.file("two", "22"));
    sandbox.ok(["artifact", "add", NAME, &one]);
    let cat = |options: &str, path: &str| {
        let mount = format!("--mount=type=artifact,src={NAME},{options}");
        let run = [
            "run",
            "--rm",
            "--network=none",
            &mount,
            sandbox.image(),
            "cat",
            path,
        ];
        sandbox.run(run)
    };
    for (options, path) in [
        ("dst=/new", "/new"),
        ("dst=/etc/passwd", "/etc/passwd"),
        ("dst=/tmp", "/tmp/one"),
        ("dst=/tmp,title=one", "/tmp/one"),
        ("dst=/tmp,name=model", "/tmp/model"),
        ("dst=/new/deep,name=model", "/new/deep"),
    ] {
        assert_eq!(cat(options, path).expect(0).out(), "1", "{options}");
    }
    sandbox.ok(["artifact", "add", "--append", NAME, &two]);
    for (options, path) in [
        ("dst=/new", "/new/two"),
        ("dst=/tmp,name=x", "/tmp/x-1"),
        ("dst=/new,title=two", "/new"),
    ] {
        assert_eq!(cat(options, path).expect(0).out(), "22", "{options}");
    }
    let both = cat("dst=/new,title=x,digest=y", "/new").expect(125);
    both.says("cannot specify both digest and title");
    cat("dst=/new,bogus=1", "/new")
        .expect(125)
        .says("bogus: invalid mount option");
    let write = format!("--mount=type=artifact,src={NAME},dst=/new,title=two");
    let write = [
        "run",
        "--rm",
        "--network=none",
        &write,
        sandbox.image(),
        "sh",
        "-c",
    ];
    let write = sandbox.run(write.into_iter().chain(["echo >/new"]));
    assert_ne!(write.code, 0);

    let mount = format!("--mount=type=artifact,src={NAME},dst=/new");
    let words = [
        "run",
        "-d",
        "--name=c",
        "--network=none",
        &mount,
        sandbox.image(),
    ];
    sandbox.ok(words.into_iter().chain(["sleep", "1000"]));
    sandbox.ok(["artifact", "rm", NAME]);
    assert_eq!(sandbox.ok(["exec", "c", "cat", "/new/two"]), "22");
    let missing = sandbox.run(["restart", "-t0", "c"]).expect(125);
    missing.says(&format!("{NAME}: artifact does not exist"));
    sandbox.ok(["artifact", "add", NAME, &two, &one]);
    sandbox.ok(["start", "c"]);
    assert_eq!(sandbox.ok(["exec", "c", "cat", "/new/one"]), "1");
    sandbox.ok(["rm", "-f", "-t0", "c"]);
}

/// Makes the list `web:1` with one.txt in it, and gives what the list says of that.
fn list_with_a_file(sandbox: &Sandbox) -> Value {
    let (one, config) = (sandbox.file("one.txt", "1"), sandbox.file("config", "{}\n"));
    sandbox.ok(["manifest", "create", "web:1"]);
    let alone = ["manifest", "add", "--artifact-type=a/b", "web:1", &one];
    sandbox
        .run(alone)
        .expect(125)
        .says("--artifact-type requires --artifact");
    let subject = format!("--artifact-subject={}", sandbox.image());
    let other = [
        "manifest",
        "add",
        "--artifact",
        "--artifact-config=",
        "web:1",
        &one,
    ];
    sandbox.ok(other);
    sandbox.ok(["manifest", "remove", "web:1", "one.txt"]);
    let config = format!("--artifact-config={config}");
    let flags = [
        "--artifact",
        "--artifact-type=a/b",
        &config,
        &subject,
        "--arch=arm64",
    ];
    sandbox.ok(["manifest", "add"]
        .into_iter()
        .chain(flags)
        .chain(["web:1", &one]));
    sandbox.ok([
        "manifest",
        "annotate",
        "--annotation=a=b",
        "web:1",
        "one.txt",
    ]);
    sandbox.ok([
        "manifest",
        "annotate",
        "--subject",
        sandbox.image(),
        "web:1",
    ]);
    let list = sandbox.ok(["manifest", "inspect", "web:1"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["subject"]["digest"], digest_of_image(sandbox));
    let instance = list["manifests"][0].clone();
    assert_eq!(instance["artifactType"], "a/b");
    assert_eq!(instance["platform"]["architecture"], "arm64");
    assert_eq!(instance["annotations"]["a"], "b");
    instance
}

fn digest_of_image(sandbox: &Sandbox) -> String {
    let format = ["--format", "{{.Digest}}", sandbox.image()];
    sandbox.ok([&["image", "inspect"][..], &format].concat())
}

#[test]
fn files_in_a_list_are_kept_by_it_and_pushed_with_it() {
    requires!("userns,registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let instance = list_with_a_file(&sandbox);

    // Nothing of it is in anybody's way, and nothing of it is lost.
    assert_eq!(sandbox.ok(["artifact", "ls", "--noheading"]), "");
    sandbox.ok(["system", "prune", "-f"]);
    let other = sandbox.file("other", "2");
    sandbox.ok(["artifact", "add", NAME, &other]);
    sandbox.ok(["artifact", "rm", NAME]);
    let name = registry.name("web:1");
    sandbox.ok(["manifest", "push", "-q", INSECURE, "web:1", &name]);
    let there = instance["digest"].as_str().unwrap();
    let there = registry.name(&format!("web@{there}"));
    let manifest = sandbox.ok(["manifest", "inspect", INSECURE, &there]);
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["artifactType"], "a/b");
    assert_eq!(manifest["subject"]["digest"], digest_of_image(&sandbox));
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.oci.image.config.v1+json"
    );
    assert_eq!(manifest["layers"][0]["mediaType"], "text/plain");
    sandbox.ok(["artifact", "pull", "-q", INSECURE, &there]);
    let file = sandbox.shown("file");
    sandbox.ok(["artifact", "extract", &there, &file]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "1");
    sandbox.ok(["artifact", "rm", "-a"]);
    assert_ne!(kept(&sandbox), 0);
    sandbox.ok(["manifest", "rm", "web:1"]);
    assert_eq!(kept(&sandbox), 0);
}

#[test]
fn a_list_is_pushed_in_two_compressions() {
    requires!("userns,registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    sandbox.ok(["manifest", "create", "web:1"]);
    sandbox.ok(["manifest", "add", "--arch=arm64", "web:1", sandbox.image()]);
    let name = registry.name("web:1");
    let flags = [
        "--compression-format=gzip",
        "--add-compression=zstd",
        INSECURE,
    ];
    let push = ["manifest", "push", "-q"].into_iter().chain(flags);
    sandbox.ok(push.chain(["web:1", &name]));
    let list = sandbox.ok(["manifest", "inspect", INSECURE, &name]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let instances = list["manifests"].as_array().unwrap();
    assert_eq!(instances.len(), 2);
    let mark = |at: usize| &instances[at]["annotations"]["io.github.containers.compression.zstd"];
    assert_eq!((mark(0), mark(1)), (&Value::Null, &Value::from("true")));
    assert_eq!(instances[0]["platform"], instances[1]["platform"]);
    let there = registry.name(&format!("web@{}", instances[1]["digest"].as_str().unwrap()));
    let manifest = sandbox.ok(["manifest", "inspect", INSECURE, &there]);
    assert!(manifest.contains("tar+zstd"), "{manifest}");
}

#[test]
fn the_store_knows_its_artifacts() {
    let sandbox = Sandbox::new();
    let one = sandbox.file("one", &"x".repeat(5000));
    sandbox.ok(["artifact", "add", NAME, &one]);
    let format = "{{if eq .Type \"Artifacts\"}}{{.Total}} {{.RawReclaimable}}{{end}}";
    let line = sandbox.ok(["system", "df", "--format", format]);
    assert_eq!(line.trim(), "1 0");
    assert_eq!(sandbox.ok(["system", "check"]), "");
    let root = sandbox.ok(["info", "--format", "{{.Store.GraphRoot}}"]);
    let found = inspect(&sandbox, NAME);
    let blob = found["Manifest"]["layers"][0]["digest"].as_str().unwrap();
    let blob = format!("{root}/artifacts/{}", blob.split(':').next_back().unwrap());
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "other").unwrap();
    let damaged = sandbox.run(["system", "check"]);
    assert_ne!(damaged.code, 0);
    let words = format!("{}{}", damaged.out(), damaged.err());
    assert!(words.contains("its digest is not its name"), "{words}");
    fs::write(format!("{root}/artifacts/{}", "0".repeat(64)), "left").unwrap();
    sandbox.ok(["system", "check", "--force"]);
    assert_eq!(sandbox.ok(["artifact", "ls", "--noheading"]), "");
    assert_eq!(kept(&sandbox), 0);
    sandbox.ok(["system", "reset", "-f"]);
}
