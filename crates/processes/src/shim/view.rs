//! A program in a file system of its own, by a mount namespace.
//!
//! Between the shim and the program stands this very binary once more: it enters the namespace, builds the view and
//! becomes the program. So the shim itself stays outside, where outputs are published.
//!
//! Where a path has to be mounted on that is not there, the folder it belongs into is replaced, in the namespace, by an
//! empty one in memory into which everything that was in it is mounted back. Nothing is ever made on the machine.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use serde::{Deserialize, Serialize};

use super::TEST_VARIABLE;
use crate::launch::Launch;
use crate::view::{Mount, Rest, View};

/// First argument of a program that is to become another in a view.
pub(crate) const ARGUMENT: &str = "shim-view";

/// Value of the test variable that says the same in a test binary.
pub(crate) const TEST_VALUE: &str = "view";

/// File of the launch folder that tells why the program could not be started.
const REASON: &str = "not-started";

/// Folder of the launch folder that the view is built in.
const ROOT: &str = "view";

#[derive(Serialize, Deserialize)]
struct Description {
    view: View,
    /// The launch folder.
    dir: PathBuf,
    /// `None`: only see whether a view can be had.
    program: Option<Program>,
}

#[derive(Serialize, Deserialize)]
struct Program {
    path: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: PathBuf,
}

/// Starts a launch's program in its view.
pub(crate) fn spawn(launch: &Launch, view: &View, stdout: Stdio, stderr: Stdio) -> io::Result<Child> {
    let description = Description {
        view: view.clone(),
        dir: launch.dir.clone(),
        program: Some(Program {
            path: launch.program.clone(),
            args: launch.args.clone(),
            env: launch.env.clone(),
            cwd: launch.cwd.clone(),
        }),
    };
    let mut command = Command::new("/proc/self/exe");
    command.env_clear().stdout(stdout).stderr(stderr);
    match std::env::var_os(TEST_VARIABLE) {
        Some(_) => command
            .args(std::env::args_os().skip(1))
            .env(TEST_VARIABLE, TEST_VALUE),
        None => command.arg(ARGUMENT),
    };
    describe_to(&mut command, &description)
}

/// Tells what to do on standard input, because it may hold secrets.
fn describe_to(command: &mut Command, description: &Description) -> io::Result<Child> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().expect("invariant: standard input is a pipe");
    let text = serde_json::to_vec(description).expect("invariant: string keys only");
    match input.write_all(&text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(child),
    }
}

/// Sees whether this machine gives views, with a command that has the guise of a shim. `dir` is a folder to do it in.
pub(crate) fn try_out(command: &mut Command, dir: &Path) -> Result<(), String> {
    let description = Description {
        view: View {
            mounts: vec![Mount::Memory {
                target: "/basecamp-view".into(),
                size: Some(4096),
            }],
            rest: Rest::AsItIs,
        },
        dir: dir.to_owned(),
        program: None,
    };
    let ended = describe_to(command, &description).and_then(|mut child| child.wait());
    match (ended, reason(dir)) {
        (Ok(status), None) if status.success() => Ok(()),
        (Ok(_), Some(reason)) => Err(reason),
        (Ok(status), None) => Err(format!("the trial ended with {status}")),
        (Err(error), _) => Err(error.to_string()),
    }
}

/// Why the program was not started, where it was not; and cleans up after the building of the view.
pub(crate) fn reason(dir: &Path) -> Option<String> {
    let path = dir.join(REASON);
    let reason = fs::read_to_string(&path).ok().filter(|reason| !reason.is_empty());
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir(dir.join(ROOT));
    reason
}

/// Builds the view and becomes the program.
pub(crate) fn run() -> ExitCode {
    let mut text = Vec::new();
    let read = io::stdin().read_to_end(&mut text);
    let Some(description) = read
        .ok()
        .and_then(|_| serde_json::from_slice::<Description>(&text).ok())
    else {
        return ExitCode::FAILURE;
    };
    // Opened now: it cannot be seen from within every view.
    let Ok(mut told) = File::create(description.dir.join(REASON)) else {
        return ExitCode::FAILURE;
    };
    let error = match become_program(&description) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    let _ = told.write_all(error.as_bytes());
    ExitCode::FAILURE
}

/// Returns only where there is no program, or with the reason why it was not started.
fn become_program(description: &Description) -> Result<(), String> {
    enter_namespace()?;
    Builder::new(&description.dir.join(ROOT))?.build(&description.view)?;
    let Some(program) = &description.program else {
        return Ok(());
    };
    let error = Command::new(&program.path)
        .args(&program.args)
        .env_clear()
        .envs(&program.env)
        .current_dir(&program.cwd)
        .stdin(Stdio::null())
        .exec();
    let what = if program.cwd.is_dir() {
        program.path.display().to_string()
    } else {
        format!("working folder {}", program.cwd.display())
    };
    Err(format!("{what}: {error}"))
}

/// A mount namespace of this process's own: by root's right, else in a user namespace in which this user is the same.
fn enter_namespace() -> Result<(), String> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if !(user.is_root() && unshare(CloneFlags::CLONE_NEWNS).is_ok()) {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
            .map_err(|errno| format!("the kernel gives no mount namespace to this user: {errno}"))?;
        let (user, group) = (user.as_raw(), group.as_raw());
        for (file, text) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{user} {user} 1")),
            ("gid_map", format!("{group} {group} 1")),
        ] {
            fs::write(Path::new("/proc/self").join(file), text).map_err(|error| {
                format!("the kernel gives no user namespace to this user: {file}: {error}")
            })?;
        }
    }
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|errno| format!("mounts cannot be made private: {errno}"))
}

/// Where everything of a view is put together before it becomes `/`.
struct Builder {
    root: PathBuf,
    /// What is mounted on paths below the root.
    mounted: BTreeMap<PathBuf, Ground>,
}

/// What a path lies in, which says how a folder is made there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// Memory of this view: simply made.
    Memory,
    /// A folder that the view mounts to be written to: made in it, as a kubelet does.
    Given,
    /// A folder that the view mounts to be read only: cannot be made.
    Shut,
    /// The machine: never made, the folder is mirrored first.
    Machine,
}

fn told(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

impl Builder {
    fn new(root: &Path) -> Result<Self, String> {
        fs::create_dir_all(root).map_err(told(root))?;
        let mut builder = Self {
            root: root.to_owned(),
            mounted: BTreeMap::new(),
        };
        builder.mirror(&root.to_owned())?;
        Ok(builder)
    }

    fn build(&mut self, view: &View) -> Result<(), String> {
        for mount in &view.mounts {
            self.mount(mount)?;
        }
        if let Rest::ReadOnly { writable } = &view.rest {
            let before = mount_points(&self.root)?;
            if before.is_empty() {
                return Err("the table of mounts does not tell this view's".to_owned());
            }
            let kept: Vec<PathBuf> = view
                .mounts
                .iter()
                .filter_map(|mount| match mount {
                    Mount::Folder {
                        target,
                        read_only: false,
                        ..
                    }
                    | Mount::Memory { target, .. } => Some(target),
                    _ => None,
                })
                .map(|target| self.below(target))
                .collect();
            for folder in writable {
                self.folder(folder, folder, false)?;
            }
            let machine = ["proc", "dev", "sys"].map(|name| self.root.join(name));
            for (point, flags) in before {
                if !kept.contains(&point) && !machine.iter().any(|folder| point.starts_with(folder)) {
                    read_only(&point, flags)?;
                }
            }
        }
        let root = &self.root;
        std::env::set_current_dir(root).map_err(told(root))?;
        // The old root is stacked on the new one, and comes off.
        rustix::process::pivot_root(".", ".")
            .map_err(|errno| format!("the root cannot be moved: {errno}"))?;
        unmount(".", UnmountFlags::DETACH).map_err(|errno| format!("the old root stays: {errno}"))?;
        std::env::set_current_dir("/").map_err(told(root))
    }

    fn mount(&mut self, mount: &Mount) -> Result<(), String> {
        match mount {
            Mount::Folder {
                source,
                target,
                read_only,
            } => self.folder(source, target, *read_only),
            Mount::Memory { target, size } => {
                let point = self.place(target)?;
                let size = size.map_or_else(String::new, |size| format!(",size={size}"));
                self.in_memory(&point, &format!("mode=0777{size}"))
            }
            Mount::Files { target, files } => {
                let point = self.place(target)?;
                self.in_memory(&point, "mode=0755")?;
                for (name, content) in files {
                    let path = point.join(name);
                    if name.contains('/') || matches!(name.as_str(), "" | "." | "..") {
                        return Err(format!("{}: `{name}` is no name of a file", target.display()));
                    }
                    fs::write(&path, content).map_err(told(&path))?;
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).map_err(told(&path))?;
                }
                read_only(&point, MountFlags::NOSUID | MountFlags::NODEV)
            }
        }
    }

    fn folder(&mut self, source: &Path, target: &Path, only_to_read: bool) -> Result<(), String> {
        let point = self.place(target)?;
        mount_bind(source, &point)
            .map_err(|errno| format!("{} on {}: {errno}", source.display(), target.display()))?;
        let ground = if only_to_read { Ground::Shut } else { Ground::Given };
        self.mounted.insert(point.clone(), ground);
        if !only_to_read {
            return Ok(());
        }
        let flags = mount_points(&point)?.into_iter().next_back();
        read_only(&point, flags.map_or(MountFlags::empty(), |(_, flags)| flags))
    }

    fn in_memory(&mut self, point: &Path, options: &str) -> Result<(), String> {
        let options = std::ffi::CString::new(options).map_err(|error| error.to_string())?;
        mount(
            "basecamp",
            point,
            "tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            Some(options.as_c_str()),
        )
        .map_err(|errno| format!("memory on {}: {errno}", point.display()))?;
        self.mounted.insert(point.to_owned(), Ground::Memory);
        Ok(())
    }

    /// Replaces a folder below the root by one in memory with the same content.
    fn mirror(&mut self, folder: &PathBuf) -> Result<(), String> {
        let original = Path::new("/").join(folder.strip_prefix(&self.root).unwrap_or(Path::new("")));
        let mode = fs::metadata(&original)
            .map_err(told(&original))?
            .permissions()
            .mode()
            & 0o7777;
        self.in_memory(folder, &format!("mode={mode:o}"))?;
        if *folder == self.root {
            // Else it would be found in what is mounted back.
            mount_change(folder, MountPropagationFlags::UNBINDABLE)
                .map_err(|errno| format!("{}: {errno}", folder.display()))?;
        }
        for entry in fs::read_dir(&original).map_err(told(&original))? {
            let entry = entry.map_err(told(&original))?;
            let (source, target) = (entry.path(), folder.join(entry.file_name()));
            let kind = entry.file_type().map_err(told(&source))?;
            if kind.is_symlink() {
                let link = fs::read_link(&source).map_err(told(&source))?;
                symlink(link, &target).map_err(told(&target))?;
                continue;
            }
            if kind.is_dir() {
                fs::create_dir(&target).map_err(told(&target))?;
            } else {
                File::create(&target).map_err(told(&target))?;
            }
            mount_bind_recursive(&source, &target)
                .map_err(|errno| format!("{}: {errno}", source.display()))?;
            self.mounted.insert(target, Ground::Machine);
        }
        Ok(())
    }

    fn ground(&self, path: &Path) -> Ground {
        let nearest = path.ancestors().find_map(|above| self.mounted.get(above));
        nearest.copied().unwrap_or(Ground::Machine)
    }

    fn below(&self, target: &Path) -> PathBuf {
        self.root.join(target.strip_prefix("/").unwrap_or(target))
    }

    /// A folder below the root to mount on, made where it is not there.
    fn place(&mut self, target: &Path) -> Result<PathBuf, String> {
        const LINKS: u32 = 40;
        let mut names: Vec<std::ffi::OsString> = Vec::new();
        for component in target.components().rev() {
            match component {
                Component::Normal(name) => names.push(name.to_owned()),
                Component::RootDir => {}
                _ => return Err(format!("{} is no path to mount on", target.display())),
            }
        }
        if names.is_empty() {
            return Err("`/` cannot be mounted on".to_owned());
        }
        let mut at = self.root.clone();
        let mut links = 0;
        while let Some(name) = names.pop() {
            if name == ".." {
                if at != self.root {
                    at.pop();
                }
                continue;
            }
            let next = at.join(&name);
            match fs::symlink_metadata(&next) {
                Ok(found) if found.is_dir() => at = next,
                Ok(found) if found.is_symlink() => {
                    links += 1;
                    if links > LINKS {
                        return Err(format!("{}: too many links", target.display()));
                    }
                    let link = fs::read_link(&next).map_err(told(&next))?;
                    if link.is_absolute() {
                        at.clone_from(&self.root);
                    }
                    for component in link.components().rev() {
                        match component {
                            Component::Normal(name) => names.push(name.to_owned()),
                            Component::ParentDir => names.push("..".into()),
                            _ => {}
                        }
                    }
                }
                Ok(_) => {
                    return Err(format!(
                        "{}: a file is in the way at {}",
                        target.display(),
                        next.display()
                    ));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match self.ground(&at) {
                        Ground::Memory | Ground::Given => {}
                        Ground::Machine => self.mirror(&at)?,
                        Ground::Shut => {
                            return Err(format!("{} lies in a folder that is only read", target.display()));
                        }
                    }
                    DirBuilder::new().mode(0o755).create(&next).map_err(told(&next))?;
                    at = next;
                }
                Err(error) => return Err(told(&next)(error)),
            }
        }
        Ok(at)
    }
}

/// Mount points at and below a path with their flags, the upper ones first.
fn mount_points(below: &Path) -> Result<Vec<(PathBuf, MountFlags)>, String> {
    // Of this thread: it alone has entered the namespace.
    const TABLE: &str = "/proc/thread-self/mountinfo";
    let table = fs::read_to_string(TABLE).map_err(told(Path::new(TABLE)))?;
    // proc_pid_mountinfo(5): the fifth field is the mount point, the sixth its options.
    let points = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(4);
        let point = PathBuf::from(unescaped(fields.next()?));
        let flags = fields
            .next()?
            .split(',')
            .fold(MountFlags::empty(), |flags, option| {
                flags
                    | match option {
                        "nosuid" => MountFlags::NOSUID,
                        "nodev" => MountFlags::NODEV,
                        "noexec" => MountFlags::NOEXEC,
                        "noatime" => MountFlags::NOATIME,
                        "nodiratime" => MountFlags::NODIRATIME,
                        "relatime" => MountFlags::RELATIME,
                        _ => MountFlags::empty(),
                    }
            });
        Some((point, flags))
    });
    Ok(points.filter(|(point, _)| point.starts_with(below)).collect())
}

/// Blanks and backslashes stand in octal.
fn unescaped(text: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\').then(|| text.get(at + 1..at + 4)).flatten();
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 4;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    std::ffi::OsString::from_vec(plain)
}

/// Makes one mount read-only. What the kernel has locked in this namespace has to be said again.
fn read_only(point: &Path, flags: MountFlags) -> Result<(), String> {
    mount_remount(point, MountFlags::BIND | MountFlags::RDONLY | flags, "")
        .map_err(|errno| format!("{} cannot be made read-only: {errno}", point.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_mount_points_are_read() {
        assert_eq!(unescaped(r"/a\040b\134c"), r"/a b\c");
        assert_eq!(unescaped("/plain"), "/plain");
    }
}
