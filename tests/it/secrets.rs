// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secrets: kept for their owner alone, given to containers as files and variables, and shown
//! nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires};

const WORD: &str = "xyzzy-hunter2";

/// Every file below `root` that holds the word, and that others may read.
fn open_files_with_the_word(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        if metadata.is_dir() {
            found.extend(open_files_with_the_word(&path));
        } else if metadata.is_file() {
            let text = fs::read(&path).unwrap_or_default();
            let has = text.windows(WORD.len()).any(|part| part == WORD.as_bytes());
            if has || (path.ends_with("secrets.json") && metadata.permissions().mode() & 0o77 != 0)
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_secret_reaches_the_container_and_nothing_else() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let file = sandbox.file("word", WORD);
    let id = sandbox.ok(["secret", "create", "word", &file]);
    assert_eq!(id.len(), 25, "{id}");
    let name = "keeper";
    let mut words = vec!["run", "-d", "--name", name, "--network", "none"];
    words.extend(["--secret", "word"]);
    words.extend(["--secret", "word,target=/opt/deep/word,mode=0400"]);
    words.extend(["--secret", "word,type=env,target=PASSWORD", IMAGE]);
    words.extend(["sh", "-c", "echo ready; sleep 1000"]);
    sandbox.ok(words);
    sandbox.wait_log(name, "ready");
    // What happens to it now is nothing to the container.
    sandbox.ok(["secret", "rm", "word"]);
    let script = "cat /run/secrets/word; echo; echo $PASSWORD; cat /opt/deep/word; echo; \
                  stat -c '%a %u' /run/secrets/word /opt/deep/word";
    let seen = sandbox.ok(["exec", name, "sh", "-c", script]);
    let expected = format!("{WORD}\n{WORD}\n{WORD}\n444 0\n400 0");
    assert_eq!(seen, expected);
    let environment = sandbox.ok(["exec", name, "sh", "-c", "tr '\\0' '\\n' </proc/1/environ"]);
    assert!(environment.contains(WORD), "{environment}");
    let shown = sandbox.ok(["inspect", name]);
    assert!(!shown.contains(WORD), "{shown}");
    if tool() == Tool::Coracle {
        let field = sandbox.field(name, "(index .Config.Secrets 0).Name");
        assert_eq!(field, "word");
    }
    sandbox.ok(["commit", "-q", name, "committed"]);
    let image = sandbox.ok(["inspect", "committed"]);
    assert!(!image.contains(WORD), "{image}");
    let left = ["run", "--rm", "--network", "none", "committed"];
    let left = left.iter().chain(&["ls", "/run/secrets"]);
    assert_eq!(sandbox.ok(left), "");
    sandbox.ok(["stop", "-t", "0", name]);
    // A start finds the copies again; and on the disk the word stands in no readable form.
    sandbox.ok(["start", name]);
    let again = sandbox.ok(["exec", name, "cat", "/run/secrets/word"]);
    assert_eq!(again, WORD);
    if tool() == Tool::Coracle {
        let open = open_files_with_the_word(&sandbox.path("data"));
        assert_eq!(open, Vec::<String>::new());
    }
    sandbox.ok(["rm", "-f", "-t", "0", name]);
}

#[test]
fn secrets_have_podmans_words() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("word", WORD);
    let id = sandbox.ok(["secret", "create", "-l", "a=b", "one", &file]);
    let again = sandbox.run(["secret", "create", "one", &file]);
    assert_eq!(again.code, 125);
    assert!(
        again.stderr.contains("one: secret name in use"),
        "{again:?}"
    );
    let replaced = sandbox.ok(["secret", "create", "--replace", "one", &file]);
    assert_ne!(replaced, id);
    let format = "{{.ID}} {{.Spec.Name}} {{.Spec.Driver.Name}} {{.SecretData}}";
    let shown = sandbox.ok(["secret", "inspect", "--showsecret", "-f", format, "one"]);
    assert_eq!(shown, format!("{replaced} one file {WORD}"));
    assert!(!sandbox.ok(["secret", "inspect", "one"]).contains(WORD));
    let listed = sandbox.ok(["secret", "ls", "--noheading", "--filter", "name=^o"]);
    assert!(listed.starts_with(&replaced), "{listed}");
    assert_eq!(sandbox.ok(["secret", "ls", "-q", "-f", "name=z"]), "");
    assert_eq!(sandbox.run(["secret", "exists", "one"]).code, 0);
    assert_eq!(sandbox.run(["secret", "exists", "two"]).code, 1);
    let gone = sandbox.run(["secret", "rm", "two", "one"]);
    assert_eq!((gone.code, gone.stdout.trim()), (1, replaced.as_str()));
    let words = "no secret with name or id \"two\": no such secret";
    assert!(gone.stderr.contains(words), "{gone:?}");
    let missing = sandbox.run(["run", "--rm", "--secret", "one", IMAGE, "true"]);
    assert_eq!(missing.code, 125);
    sandbox.ok(["secret", "rm", "--all"]);
}
