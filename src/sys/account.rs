// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the caller is and where they are at home, without NSS: a static binary must not load its
//! modules.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

/// Looks up a variable of the caller's environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A line of /etc/passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
}

/// Finds the account of `uid` in /etc/passwd; users of a directory service are not there.
pub fn account_of(uid: u32) -> Option<Account> {
    parse_passwd(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

fn parse_passwd(passwd: &str, uid: u32) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, number, _, _, home, ..] = fields[..] else {
            return None;
        };
        (number.parse() == Ok(uid)).then(|| Account {
            name: name.to_owned(),
            home: PathBuf::from(home),
        })
    })
}

/// The caller's home: `HOME`, unless it is another user's, as `sudo` may leave it.
pub fn home_directory(env: Environment<'_>) -> PathBuf {
    let from_env = absolute_variable(env, "HOME");
    if let Some(home) = &from_env
        && is_owned_by_caller(home)
    {
        return home.clone();
    }
    account_of(geteuid().as_raw())
        .map(|account| account.home)
        .filter(|home| home.is_absolute())
        .or(from_env)
        .unwrap_or_else(|| PathBuf::from("/"))
}

/// A directory of the XDG specification, by whose rule a relative path is as good as none:
/// `variable`, else `default` below the home.
pub fn xdg_directory(env: Environment<'_>, variable: &str, default: &str) -> PathBuf {
    absolute_variable(env, variable).unwrap_or_else(|| home_directory(env).join(default))
}

/// A variable that holds an absolute path.
pub fn absolute_variable(env: Environment<'_>, name: &str) -> Option<PathBuf> {
    env(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// Whether the effective user owns `path`.
pub fn is_owned_by_caller(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.uid() == geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nana:x:1000:1000::/home/ana:/bin/sh\n";
        let ana = parse_passwd(passwd, 1000).unwrap();
        assert_eq!(
            (ana.name.as_str(), ana.home.to_str()),
            ("ana", Some("/home/ana"))
        );
        assert_eq!(parse_passwd(passwd, 5), None);
    }

    #[test]
    fn another_users_home_is_not_used() {
        let mine = tempfile::tempdir().unwrap();
        let home = mine.path().to_owned();
        let env = |name: &str| (name == "HOME").then(|| home.clone().into());
        assert_eq!(home_directory(&env), home);
        assert_eq!(
            xdg_directory(&env, "XDG_CONFIG_HOME", ".config"),
            home.join(".config")
        );
        let foreign = |_: &str| Some(OsString::from("/proc/1/nowhere"));
        assert_ne!(home_directory(&foreign), Path::new("/proc/1/nowhere"));
    }
}
