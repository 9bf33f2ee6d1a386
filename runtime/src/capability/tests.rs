//! What is granted, and what is not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use super::*;

/// A directory of its own for one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vega-capability-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn file(&self, path: &str, content: &str) -> PathBuf {
        let full = self.0.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, content).unwrap();
        full
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(set: &CapabilitySet, path: &str) -> Option<String> {
    let content = set.file_to_read(path).ok()?.read(1 << 20).ok()?;
    String::from_utf8(content).ok()
}

#[test]
fn by_default_files_below_the_working_directory_are_open_and_others_closed() {
    let scratch = Scratch::new("default");
    scratch.file("sub/a.txt", "a");
    let set = Grants::standard(&scratch.0).build().unwrap();
    assert_eq!(read(&set, "sub/a.txt").as_deref(), Some("a"));
    set.file_to_write("sub/b.txt").unwrap().write(b"b").unwrap();
    assert_eq!(read(&set, "./sub/b.txt").as_deref(), Some("b"));
    assert_eq!(
        set.file_to_read("/etc/passwd").err().unwrap().to_string(),
        "fs::read of /etc/passwd (--allow-read=/etc would allow it)"
    );
    assert!(set.file_to_read("sub/../../x").is_err());
}

#[test]
fn a_symbolic_link_does_not_lead_out_of_a_grant() {
    let scratch = Scratch::new("link");
    scratch.file("outside/secret.txt", "secret");
    scratch.file("inside/a.txt", "a");
    std::os::unix::fs::symlink(scratch.0.join("outside"), scratch.0.join("inside/out")).unwrap();
    let set = Grants::standard(scratch.0.join("inside")).build().unwrap();
    assert_eq!(read(&set, "a.txt").as_deref(), Some("a"));
    assert!(set.file_to_read("out/secret.txt").unwrap().read(100).is_err());
    assert!(set.file_to_write("out/new.txt").unwrap().write(b"x").is_err());
    assert!(!scratch.0.join("outside/new.txt").exists());
}

#[test]
fn a_tool_has_what_it_declares_and_its_caller_has() {
    let scratch = Scratch::new("narrow");
    scratch.file("project/src/a.rs", "a");
    scratch.file("project/src/deep/b.rs", "b");
    scratch.file("project/notes.txt", "n");
    scratch.file("other.txt", "o");
    let program = Grants::standard(&scratch.0).build().unwrap();
    let paths = ["project/src/*.rs".to_string(), "/etc/**".to_string()];
    let declared = Declared { kinds: &[Capability::FileRead, Capability::Exec], paths: Some(&paths), ..Declared::default() };
    let tool = program.narrow(declared).unwrap();
    assert_eq!(read(&tool, "project/src/a.rs").as_deref(), Some("a"));
    assert_eq!(read(&tool, "project/src/deep/b.rs"), None, "`*` does not cross a directory");
    assert_eq!(read(&tool, "project/notes.txt"), None);
    assert_eq!(read(&tool, "/etc/hostname"), None, "a declaration does not grant what its caller lacks");
    assert!(tool.file_to_write("project/src/a.rs").is_err());
    assert!(!tool.allows(Capability::Exec) && !tool.allows(Capability::Net));
}

#[test]
fn a_narrowed_pattern_reached_through_a_link_stays_inside_the_grant() {
    let scratch = Scratch::new("narrowlink");
    scratch.file("outside/secret.txt", "secret");
    scratch.file("inside/a.txt", "a");
    std::os::unix::fs::symlink(scratch.0.join("outside"), scratch.0.join("inside/out")).unwrap();
    let program = Grants::standard(scratch.0.join("inside")).build().unwrap();
    let paths = ["out/**".to_string()];
    let tool = program.narrow(Declared { kinds: &[Capability::FileRead], paths: Some(&paths), ..Declared::default() }).unwrap();
    assert_eq!(read(&tool, "out/secret.txt"), None);
}

#[test]
fn what_decides_about_programs_is_not_written() {
    let scratch = Scratch::new("protected");
    let mut grants = Grants::standard(&scratch.0);
    grants.protect("main.vega");
    for path in ["vega.toml", ".git/hooks/pre-commit", "sub/.vega/x", "main.vega"] {
        assert!(grants.build().unwrap().file_to_write(path).is_err(), "{path}");
        assert!(grants.clone().allow_self_write().build().unwrap().file_to_write(path).is_ok(), "{path}");
    }
}

#[test]
fn a_protected_file_is_not_written_by_another_name() {
    let scratch = Scratch::new("othername");
    let program = scratch.file("main.vega", "fn main() {}");
    scratch.file(".git/config", "[core]");
    std::os::unix::fs::symlink("main.vega", scratch.0.join("link.vega")).unwrap();
    fs::hard_link(&program, scratch.0.join("hard.vega")).unwrap();
    std::os::unix::fs::symlink(".git", scratch.0.join("notgit")).unwrap();
    std::os::unix::fs::symlink(".git/config", scratch.0.join("config")).unwrap();
    let mut grants = Grants::standard(&scratch.0);
    let set = grants.protect("main.vega").build().unwrap();
    set.file_to_write("new.txt").unwrap().write(b"x").unwrap();
    for path in ["link.vega", "hard.vega", "notgit/config", "notgit/new", "config"] {
        let error = set.file_to_write(path).unwrap().write(b"x").unwrap_err();
        assert!(error.get_ref().is_some_and(|source| source.is::<Denied>()), "{path}: {error}");
    }
    assert_eq!(fs::read_to_string(program).unwrap(), "fn main() {}");
    assert_eq!(fs::read_to_string(scratch.0.join(".git/config")).unwrap(), "[core]");
}

#[test]
fn a_plain_path_grants_the_file_or_all_below() {
    let scratch = Scratch::new("plain");
    scratch.file("one.txt", "1");
    scratch.file("dir/two.txt", "2");
    let mut grants = Grants::nothing(&scratch.0);
    grants.allow_read("one.txt").allow_read("dir").deny_read("dir/secret");
    scratch.file("dir/secret/three.txt", "3");
    let set = grants.build().unwrap();
    assert_eq!(read(&set, "one.txt").as_deref(), Some("1"));
    assert_eq!(read(&set, "dir/two.txt").as_deref(), Some("2"));
    assert_eq!(read(&set, "dir/secret/three.txt"), None);
    assert_eq!(read(&set, "onextxt"), None);
    assert!(set.file_to_write("one.txt").is_err());
}

#[test]
fn hosts_and_commands_are_compared_by_their_parts() {
    let mut grants = Grants::standard("/");
    grants.allow_host("*.example.org").allow_command("npm test *").allow_command("git status");
    let set = grants.build().unwrap();
    assert_eq!(set.host("api.EXAMPLE.org"), Ok(HostAccess::Named));
    assert_eq!(set.host("badexample.org"), Ok(HostAccess::PublicOnly));
    let hosts = ["api.example.org".to_string()];
    let tool = set.narrow(Declared { kinds: &[Capability::Net], hosts: Some(&hosts), ..Declared::default() }).unwrap();
    assert_eq!(tool.host("api.example.org"), Ok(HostAccess::Named));
    assert!(tool.host("b.example.org").is_err());
    assert!(set.command(&["npm", "test", "--all"]).is_ok() && set.command(&["git", "status"]).is_ok());
    assert!(set.command(&["git", "status", "-v"]).is_err() && set.command(&["npm"]).is_err());
    assert!(tool.command(&["git", "status"]).is_err());
}

#[test]
fn a_sandbox_allows_nothing_and_says_which_flag_would() {
    let set = CapabilitySet::nothing();
    assert!(set.file_to_read("/x").is_err() && set.host("a").is_err() && set.agent().is_err());
    assert_eq!(set.variable("HOME").unwrap_err().to_string(), "env of HOME (--allow-env=HOME would allow it)");
}

#[test]
fn a_link_inside_of_a_grant_reaches_only_what_the_grant_covers() {
    let scratch = Scratch::new("insidelink");
    scratch.file("src/a.rs", "a");
    scratch.file("src/notes/private.txt", "p");
    scratch.file("secret/key", "k");
    std::os::unix::fs::symlink("notes/private.txt", scratch.0.join("src/link.rs")).unwrap();
    std::os::unix::fs::symlink("a.rs", scratch.0.join("src/good.rs")).unwrap();
    std::os::unix::fs::symlink("secret", scratch.0.join("open")).unwrap();
    let mut grants = Grants::standard(&scratch.0);
    let program = grants.deny_read("secret").build().unwrap();
    assert_eq!(read(&program, "open/key"), None, "a denial holds by whatever name");
    assert!(!program.file_to_read("open/key").unwrap().exists());
    let paths = ["src/*.rs".to_string()];
    let tool = program.narrow(Declared { kinds: &[Capability::FileRead], paths: Some(&paths), ..Declared::default() }).unwrap();
    assert_eq!(read(&tool, "src/good.rs").as_deref(), Some("a"));
    assert_eq!(read(&tool, "src/link.rs"), None, "a pattern holds by whatever name");
}

#[test]
fn a_refusal_names_the_flag_only_where_the_flag_would_help() {
    let mut grants = Grants::standard("/anywhere");
    grants.deny_read("secret").deny(Capability::FileWrite).deny(Capability::Agent).allow_command("npm *");
    let program = grants.build().unwrap();
    let read = |set: &CapabilitySet, path: &str| set.file_to_read(path).err().unwrap().remedy;
    assert_eq!(read(&program, "/etc/passwd"), "--allow-read=/etc would allow it");
    assert_eq!(read(&program, "secret/key"), "--deny-read forbids it");
    assert_eq!(program.file_to_write("a").err().unwrap().remedy, "--deny-write forbids it");
    assert_eq!(program.agent().unwrap_err().remedy, "--deny-agent forbids it");

    let (paths, commands) = (["notes/**".to_string()], ["npm test".to_string()]);
    let kinds = [Capability::FileRead, Capability::Exec];
    let declared = Declared { kinds: &kinds, paths: Some(&paths), commands: Some(&commands), hosts: None };
    let tool = program.narrow(declared).unwrap();
    assert_eq!(read(&tool, "/etc/passwd"), "the tool's `allowed_paths` leaves it out");
    assert_eq!(tool.variable("HOME").unwrap_err().remedy, "the tool does not declare `env`");
    assert_eq!(tool.command(&["npm", "install"]).unwrap_err().remedy, "the tool's `allowed_commands` leaves it out");

    let nothing = Grants::nothing("/anywhere").build().unwrap();
    let tool = nothing.narrow(declared).unwrap();
    assert_eq!(read(&tool, "notes/a"), "--allow-read=/anywhere/notes would allow it");
}

#[test]
fn the_granted_folder_itself_is_no_file() {
    let scratch = Scratch::new("folder");
    let set = Grants::standard(&scratch.0).build().unwrap();
    let read = set.file_to_read(".").unwrap().read(100).unwrap_err();
    let written = set.file_to_write(".").unwrap().write(b"x").unwrap_err();
    assert_eq!((read.kind(), written.kind()), (std::io::ErrorKind::IsADirectory, std::io::ErrorKind::IsADirectory));
    assert!(set.file_to_read(".").unwrap().list().unwrap().is_empty());
}
