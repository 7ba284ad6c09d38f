//! `.basecamp/`: where everything of one clone's rung is kept.

use std::path::{Path, PathBuf};

use crate::error::Tier6Error;

/// Moves the state folder, for all programs.
pub const STATE_DIR_VARIABLE: &str = "BASECAMP_STATE_DIR";

/// The state folder and the places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// The state folder at `root`, made if it is not there, with its mark.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Tier6Error> {
        let root = root.into();
        std::fs::create_dir_all(&root).map_err(Tier6Error::file(&root))?;
        let root = root.canonicalize().map_err(Tier6Error::file(&root))?;
        let state = Self { root };
        let mark = state.root.join("mark");
        if !mark.exists() {
            // Two that open at once: the first one's mark stays.
            let own = state.root.join(format!("mark.{}", std::process::id()));
            let written =
                std::fs::write(&own, uuid::Uuid::new_v4().to_string()).and_then(
                    |()| match std::fs::hard_link(&own, &mark) {
                        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
                        _ => std::fs::remove_file(&own),
                    },
                );
            written.map_err(Tier6Error::file(&mark))?;
        }
        Ok(state)
    }

    /// Where the state folder is: `explicit`, else [`STATE_DIR_VARIABLE`], else `.basecamp` in the clone that `cwd` is
    /// in. The folder itself need not exist.
    ///
    /// # Errors
    /// [`Tier6Error::NoClone`].
    pub fn locate(
        explicit: Option<&Path>,
        variable: Option<&Path>,
        cwd: &Path,
    ) -> Result<PathBuf, Tier6Error> {
        if let Some(path) = explicit.or(variable) {
            return Ok(cwd.join(path));
        }
        cwd.ancestors()
            .find(|folder| folder.join("Cargo.toml").is_file() && folder.join("recipes").is_dir())
            .map(|clone| clone.join(".basecamp"))
            .ok_or_else(|| Tier6Error::NoClone { cwd: cwd.to_owned() })
    }

    /// [`StateDir::locate`] with this process's environment and working folder, then [`StateDir::open`].
    ///
    /// # Errors
    /// [`Tier6Error::NoClone`], [`Tier6Error::File`].
    pub fn find(explicit: Option<&Path>) -> Result<Self, Tier6Error> {
        let cwd = std::env::current_dir().map_err(Tier6Error::file("."))?;
        let variable = std::env::var_os(STATE_DIR_VARIABLE).map(PathBuf::from);
        Self::open(Self::locate(explicit, variable.as_deref(), &cwd)?)
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What every process of this state folder carries as `BASECAMP_MARK`.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn mark(&self) -> Result<String, Tier6Error> {
        let path = self.root.join("mark");
        let text = std::fs::read_to_string(&path).map_err(Tier6Error::file(path))?;
        Ok(text.trim().to_owned())
    }

    /// A short folder outside, for what has a path limit: a socket's path may have 107 bytes (unix(7)), and Ray puts
    /// sockets 63 bytes below its session folder.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn short_dir(&self) -> Result<PathBuf, Tier6Error> {
        let mark = self.mark()?;
        let short = mark.get(..8).unwrap_or(&mark);
        Ok(Path::new("/tmp").join(format!("basecamp-{short}")))
    }

    /// A link to [`StateDir::short_dir`], there while the rung is up.
    pub fn short_link(&self) -> PathBuf {
        self.root.join("short")
    }

    /// Base URLs and credentials of the rung that is up.
    pub fn endpoints(&self) -> PathBuf {
        self.root.join("endpoints.yaml")
    }

    /// For every Kubernetes client.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Which daemon runs: a [`DaemonRecord`](crate::DaemonRecord).
    pub fn daemon_record(&self) -> PathBuf {
        self.root.join("daemon.json")
    }

    /// Held by the daemon as long as it lives.
    pub fn daemon_lock(&self) -> PathBuf {
        self.root.join("daemon.lock")
    }

    /// Ports of this state folder, by use.
    pub fn ports(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// The log of a service.
    pub fn log(&self, service: &str) -> PathBuf {
        self.logs().join(format!("{service}.log"))
    }

    /// Logs of the services and the daemon.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Launch folders of the services.
    pub fn services(&self) -> PathBuf {
        self.root.join("services")
    }

    /// The engine's store.
    pub fn engine(&self) -> PathBuf {
        self.root.join("engine")
    }

    /// Root of artifact URIs.
    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    /// Launch folders of pipeline tasks: `RUN/TASK/ATTEMPT`.
    pub fn tasks(&self) -> PathBuf {
        self.root.join("tasks")
    }

    /// Store and certificates of the resource API.
    pub fn resources(&self) -> PathBuf {
        self.root.join("resources")
    }

    /// The image store.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// MLflow's database and artifacts.
    pub fn mlflow(&self) -> PathBuf {
        self.root.join("mlflow")
    }

    /// Iceberg catalog and warehouse.
    pub fn lakehouse(&self) -> PathBuf {
        self.root.join("lakehouse")
    }

    /// Traefik's dynamic configuration: a file a route.
    pub fn routes(&self) -> PathBuf {
        self.root.join("traefik")
    }

    /// Launch folders of model servers.
    pub fn serving(&self) -> PathBuf {
        self.root.join("serving")
    }

    /// Upstream trees of components, by commit.
    pub fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    /// What components render to, by digest.
    pub fn renders(&self) -> PathBuf {
        self.root.join("renders")
    }

    /// Which rung on Kubernetes this is: a [`RungRecord`](crate::cluster::RungRecord).
    pub fn rung_record(&self) -> PathBuf {
        self.root.join("rung.json")
    }

    /// How the kind cluster was made, and that it was.
    pub fn kind(&self) -> PathBuf {
        self.root.join("kind")
    }

    /// Launch folders of the process that leads ports of this machine into a cluster.
    pub fn forwards(&self) -> PathBuf {
        self.root.join("forward")
    }

    /// Ray's token.
    pub fn ray_token(&self) -> PathBuf {
        self.root.join("ray-token")
    }

    /// `HOME` of everything that runs here, so that no program reads or writes the user's own settings.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The Python environment in use: `python/current`, laid by the set-up, points to `python/LOCK-DIGEST`.
    ///
    /// # Errors
    /// [`Tier6Error::NoPython`].
    pub fn python(&self) -> Result<PathBuf, Tier6Error> {
        let link = self.root.join("python/current");
        let environment = link
            .canonicalize()
            .map_err(|_| Tier6Error::NoPython { path: link.clone() })?;
        if environment.join("bin/python").exists() {
            Ok(environment)
        } else {
            Err(Tier6Error::NoPython { path: link })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::flag_first(Some("flag"), Some("/variable"), "CLONE/deep/flag")]
    #[case::then_the_variable(None, Some("/variable"), "/variable")]
    #[case::else_the_clone(None, None, "CLONE/.basecamp")]
    fn the_state_folder_is_found(
        #[case] explicit: Option<&str>,
        #[case] variable: Option<&str>,
        #[case] expected: &str,
    ) {
        let clone = tempfile::tempdir().unwrap();
        let deep = clone.path().join("deep");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(clone.path().join("recipes")).unwrap();
        std::fs::write(clone.path().join("Cargo.toml"), "").unwrap();
        let found = StateDir::locate(explicit.map(Path::new), variable.map(Path::new), &deep).unwrap();
        let expected = expected.replace("CLONE", clone.path().to_str().unwrap());
        assert_eq!(found, Path::new(&expected));
    }

    #[test]
    fn outside_a_clone_the_ways_out_are_told() {
        let message = StateDir::locate(None, None, Path::new("/"))
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "/ is in no clone of basecamp: go into one, or say --state-dir DIR"
        );
    }

    #[test]
    fn a_mark_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateDir::open(folder.path().join("state"))
            .unwrap()
            .mark()
            .unwrap();
        let again = StateDir::open(folder.path().join("state")).unwrap();
        assert_eq!(again.mark().unwrap(), first);
        let sockets = again
            .short_dir()
            .unwrap()
            .join("ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.sock");
        assert!(sockets.as_os_str().len() <= 107, "{}", sockets.display());
    }
}
