// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists of images for several platforms, from their making to their end.

use serde_json::Value;

use crate::support::registry::Registry;
use crate::support::sandbox::{Tool, tool};
use crate::support::{Sandbox, requires};

fn inspect(sandbox: &Sandbox, list: &str) -> Value {
    serde_json::from_str(&sandbox.ok(["manifest", "inspect", list])).unwrap()
}

#[test]
fn a_list_is_made_changed_named_and_removed() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let image = sandbox.image();
    let id = sandbox.ok(["manifest", "create", "web:1"]);
    let again = sandbox.run(["manifest", "create", "web:1"]).expect(125);
    again.says("that name is already in use");
    assert_eq!(sandbox.ok(["manifest", "create", "--amend", "web:1"]), id);
    let kind = "application/vnd.docker.distribution.manifest.list.v2+json";
    assert_eq!(inspect(&sandbox, "web:1")["mediaType"], kind);

    let flags = ["--arch=arm64", "--variant=v8", "--annotation=a=b"];
    let add = ["manifest", "add"]
        .into_iter()
        .chain(flags)
        .chain([id.as_str(), image]);
    assert_eq!(sandbox.ok(add), id);
    let list = inspect(&sandbox, "web:1");
    let digest = sandbox.ok(["image", "inspect", "--format", "{{.Digest}}", image]);
    assert_eq!(list["manifests"][0]["digest"], digest.as_str());
    assert_eq!(list["manifests"][0]["platform"]["architecture"], "arm64");
    assert_eq!(list["manifests"][0]["platform"]["variant"], "v8");
    assert_eq!(list["manifests"][0]["annotations"]["a"], "b");

    sandbox.ok(["manifest", "annotate", "--os=plan9", "web:1", &digest]);
    sandbox.ok(["tag", "web:1", "web:2"]);
    assert_eq!(
        inspect(&sandbox, "web:2")["manifests"][0]["platform"]["os"],
        "plan9"
    );
    sandbox.ok(["manifest", "remove", "web:2", &digest]);
    assert_eq!(
        inspect(&sandbox, "web:1")["manifests"],
        serde_json::json!([])
    );
    let gone = sandbox
        .run(["manifest", "remove", "web:2", &digest])
        .expect(125);
    gone.says("no image with digest");

    let no_list = sandbox.run(["manifest", "rm", image]).expect(125);
    no_list.says("image is not a manifest list");
    sandbox.ok(["manifest", "exists", "web:1"]);
    sandbox.ok(["manifest", "rm", "web:1"]);
    sandbox.run(["manifest", "exists", "web:1"]).expect(1);
    let missing = sandbox.run(["manifest", "rm", "web:1"]).expect(1);
    missing.says("Error: web:1: image not known");
    assert_eq!(sandbox.ok(["manifest", "rm", "--ignore", "web:1"]), "");
    sandbox.ok(["rmi", "web:2"]);
    assert_eq!(
        sandbox.ok(["images", "-q", "--no-trunc"]).lines().count(),
        1
    );
}

#[test]
fn a_container_of_a_list_is_one_of_the_image_for_this_machine() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let image = sandbox.image();
    sandbox.ok(["manifest", "create", "web:1"]);
    sandbox.ok(["manifest", "add", "--arch=riscv64", "web:1", image]);
    let run = ["run", "--rm", "--network=none", "web:1", "echo", "here"];
    let none = sandbox.run(run).expect(125);
    none.says("no image found in manifest list for architecture");
    sandbox.ok(["manifest", "create", "web:2"]);
    sandbox.ok(["manifest", "add", "web:2", image]);
    let run = run.map(|word| if word == "web:1" { "web:2" } else { word });
    assert_eq!(sandbox.ok(run), "here");

    let tree = sandbox.ok(["images", "--tree"]);
    let lines: Vec<&str> = tree.lines().collect();
    assert!(lines[0].starts_with("IMAGE "), "{tree}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("└─ linux/riscv64 ")),
        "{tree}"
    );
    let layers = sandbox.ok(["image", "tree", image]);
    let top = format!(" Top Layer of: [{image}]");
    assert!(
        layers.contains("└── ID: ") && layers.ends_with(&top),
        "{layers}"
    );
}

/// By the tag that stands in for the interface where a registry has none, as this one.
#[test]
fn what_refers_to_a_manifest_is_listed() {
    if tool() != Tool::Coracle {
        return;
    }
    requires!("userns,registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let insecure = "--tls-verify=false";
    sandbox.ok(["manifest", "create", "web"]);
    sandbox.ok(["manifest", "add", "--arch=riscv64", "web", sandbox.image()]);
    let (name, file) = (registry.name("web:1"), sandbox.shown("digest"));
    let digest_file = format!("--digestfile={file}");
    sandbox.ok(["manifest", "push", insecure, &digest_file, "web", &name]);
    let listed = || {
        let listed = sandbox.ok(["manifest", "inspect", insecure, "--referrers", &name]);
        serde_json::from_str::<Value>(&listed).unwrap()
    };
    assert_eq!(listed()["manifests"], serde_json::json!([]));
    let digest = std::fs::read_to_string(&file).unwrap();
    let tag = format!("web:{}", digest.trim().replace(':', "-"));
    sandbox.ok(["manifest", "push", insecure, "web", &registry.name(&tag)]);
    let architecture = &listed()["manifests"][0]["platform"]["architecture"];
    assert_eq!(architecture, "riscv64");
}

#[test]
fn a_list_is_pushed_with_its_images() {
    requires!("userns,registry");
    let sandbox = Sandbox::with_image();
    let registry = Registry::open();
    let insecure = "--tls-verify=false";
    sandbox.ok(["manifest", "create", "web"]);
    sandbox.ok(["manifest", "add", "--arch=riscv64", "web", sandbox.image()]);
    let (first, second) = (registry.name("web:1"), registry.name("team/web:2"));
    let file = sandbox.shown("digest");
    let digest_file = format!("--digestfile={file}");
    sandbox.ok(["manifest", "push", insecure, &digest_file, "web", &first]);

    let pushed = sandbox.ok(["manifest", "inspect", insecure, &first]);
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("sha256:")
    );
    let pushed: Value = serde_json::from_str(&pushed).unwrap();
    let instance = &pushed["manifests"][0];
    assert_eq!(instance["platform"]["architecture"], "riscv64");
    let by_digest = format!(
        "{}@{}",
        registry.name("web"),
        instance["digest"].as_str().unwrap()
    );
    let manifest = sandbox.ok(["manifest", "inspect", insecure, &by_digest]);
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);

    // From there it goes on to another repository, without the image here.
    sandbox.ok(["rmi", "-a", "-f"]);
    sandbox.ok(["manifest", "create", "again"]);
    sandbox.ok([
        "manifest",
        "add",
        "--all",
        insecure,
        "again",
        &format!("docker://{first}"),
    ]);
    let list = inspect(&sandbox, "again");
    assert_eq!(list["manifests"], pushed["manifests"]);
    sandbox.ok([
        "manifest",
        "push",
        "--rm",
        insecure,
        "again",
        &format!("docker://{second}"),
    ]);
    sandbox.run(["manifest", "exists", "again"]).expect(1);
    let copied = sandbox.ok(["manifest", "inspect", insecure, &second]);
    let copied: Value = serde_json::from_str(&copied).unwrap();
    assert_eq!(copied["manifests"], pushed["manifests"]);
    let refused = sandbox.run(["manifest", "inspect", &second]).expect(125);
    refused.says("pinging container registry");
}
