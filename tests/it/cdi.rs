// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices by a vendor's name, as files of the Container Device Interface describe them.

use crate::support::sandbox::IMAGE;
use crate::support::{Outcome, Sandbox, requires};

/// `run --rm` with `flags`, where the files of `directory` describe devices.
fn run(sandbox: &Sandbox, flags: &[&str], script: &str) -> Outcome {
    let directory = sandbox.shown("cdi");
    let conf = format!("[engine]\ncdi_spec_dirs = [\"{directory}\"]\n");
    let conf = sandbox.file("cdi.conf", &conf);
    let line = [
        &["run", "--rm", "--network", "none"],
        flags,
        &[IMAGE, "sh", "-c", script],
    ];
    sandbox
        .call(line.concat())
        .env("CONTAINERS_CONF", &conf)
        .run()
}

#[test]
fn a_device_brings_nodes_files_variables_and_hooks() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    std::fs::create_dir(sandbox.path("cdi")).unwrap();
    let library = sandbox.file("library", "of the vendor\n");
    let log = sandbox.shown("log");
    let spec = format!(
        "cdiVersion: 0.6.0\n\
         kind: nvidia.com/gpu\n\
         devices:\n\
         - name: \"0\"\n\
         \x20 containerEdits: {{deviceNodes: [{{path: /dev/toy0, hostPath: /dev/zero}}]}}\n\
         - name: all\n\
         \x20 containerEdits: {{env: [TOYS=all], deviceNodes: [{{path: /dev/null}}]}}\n\
         containerEdits:\n\
         \x20 mounts:\n\
         \x20 - {{hostPath: {library}, containerPath: /usr/lib/toy, options: [ro, nosuid, bind]}}\n\
         \x20 hooks:\n\
         \x20 - {{hookName: createRuntime, path: /bin/sh, args: [sh, -c, \"echo $TOY >>{log}\"], env: [TOY=hooked]}}\n"
    );
    sandbox.file("cdi/toy.yaml", &spec);
    let script = "head -c 3 /dev/toy0 | wc -c; cat /usr/lib/toy; echo \"$TOYS\"; \
                  touch /usr/lib/toy 2>/dev/null || echo read-only";
    let one = run(&sandbox, &["--device", "nvidia.com/gpu=0"], script);
    assert_eq!(one.expect(0).out(), "3\nof the vendor\n\nread-only");
    let all = run(&sandbox, &["--gpus", "all"], "echo $TOYS; cat /usr/lib/toy");
    assert_eq!(all.expect(0).out(), "all\nof the vendor");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "hooked\nhooked\n");
    let lacking = run(&sandbox, &["--gpus", "\"device=0,7\""], "true").expect(125);
    let lacking = lacking.says("unresolvable CDI devices nvidia.com/gpu=7");
    lacking.says("nvidia-ctk cdi generate");
}
