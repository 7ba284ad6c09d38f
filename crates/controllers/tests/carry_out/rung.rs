//! A rung just large enough for the controllers: an API server, a published image, Traefik, a Ray head.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use controllers::{Config, Ray, Traefik};
use futures::StreamExt;
use image_store::{Base, ImageManifest, ImageStore};
use kube::runtime::watcher::watch_object;
use kube::{Api, Client, Resource};
use processes::{Attached, ProcessTable, Shim, Workers};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout};

use crate::api_server::ApiServer;

/// For anything that is waited for.
const DEADLINE: Duration = Duration::from_secs(90);
/// The published image, and the interpreter that its commands find first in `PATH`.
pub(crate) const IMAGE: &str = "test/recipe:all-0";
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// One rung, gone with all its processes when it is dropped.
pub(crate) struct Rung {
    pub(crate) client: Client,
    pub(crate) state: tempfile::TempDir,
    pub(crate) config: Config,
    controllers: Option<tokio::runtime::Runtime>,
    api: ApiServer,
    services: Vec<Child>,
    mark: String,
}

impl Rung {
    /// With an API server and Traefik.
    pub(crate) async fn start() -> Self {
        // A warning of the controllers is what a failed test is explained by.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_test_writer()
            .try_init();
        // Short, because Ray puts sockets below it.
        let state = tempfile::Builder::new().prefix("c").tempdir_in("/tmp").unwrap();
        let api = ApiServer::start(state.path()).await;
        let mark = format!("controllers-test-{}", free_port());
        let (entry, own) = (free_port(), free_port());
        let images = ImageStore::open(state.path().join("images")).unwrap();
        publish(&images);
        let home = state.path().display().to_string();
        let environment = BTreeMap::from([
            ("BASECAMP_MARK".to_owned(), mark.clone()),
            ("HOME".to_owned(), home),
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ]);
        let config = Config {
            experiments: state.path().join("experiments"),
            ray_jobs: state.path().join("ray-jobs"),
            serving: state.path().join("serving"),
            images,
            python: python(),
            shim: Shim::this_test_binary("shim"),
            workers: Workers::new(state.path().join("workers")),
            environment,
            ray: Ray {
                address: format!("127.0.0.1:{}", free_port()),
                dashboard: format!("http://127.0.0.1:{}", free_port()).parse().unwrap(),
                token: Some(TOKEN.to_owned()),
                environment: BTreeMap::from([
                    ("RAY_USAGE_STATS_ENABLED".to_owned(), "0".to_owned()),
                    // Loopback only: without it Ray replaces 127.0.0.1 by the machine's own address.
                    ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER".to_owned(), "0".to_owned()),
                ]),
                cpus: 2.0,
                memory: 4e9,
            },
            traefik: Traefik {
                routes: state.path().join("routes"),
                entry: format!("http://127.0.0.1:{entry}").parse().unwrap(),
                own: format!("http://127.0.0.1:{own}").parse().unwrap(),
            },
        };
        let mut rung = Self {
            client: api.client().await,
            state,
            config,
            controllers: None,
            api,
            services: Vec::new(),
            mark,
        };
        rung.start_traefik(entry, own);
        rung.start_controllers().await;
        rung
    }

    /// Starts the controllers in a runtime of their own, as a daemon has one.
    pub(crate) async fn start_controllers(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let client = {
            let _inside = runtime.enter();
            self.api.client().await
        };
        let config = self.config.clone();
        runtime.spawn(async move {
            controllers::run(config, client, std::future::pending())
                .await
                .unwrap()
        });
        self.controllers = Some(runtime);
    }

    /// Ends the controllers at whatever they are doing, as SIGKILL does.
    pub(crate) fn kill_controllers(&mut self) {
        self.controllers.take().expect("they run").shutdown_background();
    }

    /// Starts a Ray head with the Jobs API, and waits until that answers.
    pub(crate) async fn start_ray(&mut self) {
        let ray = &self.config.ray;
        let port = ray.address.rsplit_once(':').unwrap().1;
        let mut command = Command::new(python());
        command.args([
            "-m",
            "ray.scripts.scripts",
            "start",
            "--head",
            "--block",
            "--disable-usage-stats",
        ]);
        for (option, value) in [
            ("--node-ip-address", "127.0.0.1".to_owned()),
            ("--port", port.to_owned()),
            ("--dashboard-host", "127.0.0.1".to_owned()),
            ("--dashboard-port", ray.dashboard.port().unwrap().to_string()),
            ("--ray-client-server-port", free_port().to_string()),
            ("--dashboard-agent-listen-port", free_port().to_string()),
            ("--num-cpus", "2".to_owned()),
            ("--object-store-memory", "100000000".to_owned()),
            ("--temp-dir", self.state.path().join("ray").display().to_string()),
        ] {
            command.args([option, &value]);
        }
        command
            .env_clear()
            .envs(&self.config.environment)
            .envs(&ray.environment)
            .envs([("RAY_AUTH_MODE", "token"), ("RAY_AUTH_TOKEN", TOKEN)]);
        let log = self.log("ray");
        self.services.push(started(&mut command, &log));
        let jobs = ray.dashboard.join("api/jobs/").unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        eventually("Ray to answer", async || {
            let answer = client.get(jobs.clone()).bearer_auth(TOKEN).send().await;
            answer
                .is_ok_and(|answer| answer.status().is_success())
                .then_some(())
        })
        .await;
    }

    /// Ends the Ray head and all that runs in it, as a loss of power does.
    pub(crate) fn kill_ray(&mut self) {
        let mut head = self.services.pop().expect("it was started last");
        let table = ProcessTable::read();
        let leader = table.get(i32::try_from(head.id()).unwrap()).expect("it runs");
        let of_head = table.session(&leader.identity());
        let all: Vec<i32> = of_head
            .iter()
            .map(|row| row.pid)
            .chain(self.processes("ray"))
            .collect();
        for pid in all {
            let _ = Command::new("kill")
                .args(["-9", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        let _ = head.wait();
    }

    fn start_traefik(&mut self, entry: u16, own: u16) {
        std::fs::create_dir_all(&self.config.traefik.routes).unwrap();
        let mut command = Command::new(python().with_file_name("traefik"));
        command.env_clear().envs(&self.config.environment).args([
            format!("--entrypoints.serving.address=127.0.0.1:{entry}"),
            format!("--entrypoints.traefik.address=127.0.0.1:{own}"),
            "--ping=true".to_owned(),
            format!(
                "--providers.file.directory={}",
                self.config.traefik.routes.display()
            ),
            "--providers.file.watch=true".to_owned(),
            "--providers.providersthrottleduration=100ms".to_owned(),
            "--global.checknewversion=false".to_owned(),
            "--global.sendanonymoususage=false".to_owned(),
        ]);
        let log = self.log("traefik");
        self.services.push(started(&mut command, &log));
    }

    fn log(&self, service: &str) -> PathBuf {
        self.state.path().join(format!("{service}.log"))
    }

    pub(crate) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// What a path of the entry answers to a POST: its status, and its JSON where it has one.
    pub(crate) async fn post(&self, path: &str) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = self.config.traefik.entry.join(path).unwrap();
        let answer = client.post(url).body("{}").send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Tuners that run: what stands below the shims of their launches, whoever launched them.
    pub(crate) fn tuners(&self) -> Vec<i32> {
        let table = ProcessTable::read();
        let folders = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
        folders(self.config.experiments.clone())
            .flat_map(|namespace| folders(namespace.path()))
            .flat_map(|experiment| folders(experiment.path().join("tuner")))
            .filter_map(|launch| match processes::attach(&launch.path()) {
                Ok(Attached::Running(shim)) => Some(shim.pid),
                _ => None,
            })
            .flat_map(|shim| table.descendants(shim))
            .map(|row| row.pid)
            .collect()
    }

    /// Process ids of this rung's processes whose command line holds a text.
    pub(crate) fn processes(&self, text: &str) -> Vec<i32> {
        let table = ProcessTable::read();
        let of_rung = table.marked(&self.mark);
        let holds = |pid: i32| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command)
                .replace('\0', " ")
                .contains(text)
        };
        of_rung
            .into_iter()
            .map(|row| row.pid)
            .filter(|pid| holds(*pid))
            .collect()
    }
}

impl Drop for Rung {
    fn drop(&mut self) {
        if let Some(controllers) = self.controllers.take() {
            controllers.shutdown_background();
        }
        for process in processes::marked(&self.mark) {
            let _ = Command::new("kill")
                .args(["-9", &process.pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        for service in &mut self.services {
            let _ = service.wait();
        }
        if std::thread::panicking() {
            self.state.disable_cleanup(true);
            eprintln!("the rung's folder is kept: {}", self.state.path().display());
        }
    }
}

/// Watches the object until the check holds.
pub(crate) async fn until<K>(api: &Api<K>, name: &str, what: &str, check: impl Fn(&K) -> bool) -> K
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + 'static,
{
    let mut last = String::from("nothing");
    let waited = timeout(DEADLINE, async {
        let mut looks = watch_object(api.clone(), name).boxed();
        loop {
            match looks.next().await.expect("a watch goes on for ever") {
                Ok(Some(object)) if check(&object) => return object,
                Ok(Some(object)) => last = serde_json::to_string_pretty(&object).unwrap(),
                Ok(None) => last = "no such object".to_owned(),
                Err(error) => last = format!("{last}; then {error}"),
            }
        }
    });
    match waited.await {
        Ok(object) => object,
        Err(_) => panic!("{name} is not {what} after {DEADLINE:?}; last seen: {last}"),
    }
}

/// Waits until the object is gone.
pub(crate) async fn gone<K>(api: &Api<K>, name: &str)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let looks = watch_object(api.clone(), name);
    let waited = timeout(DEADLINE, async {
        let mut looks = looks.boxed();
        while !matches!(looks.next().await, Some(Ok(None))) {}
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("{name} is still there after {DEADLINE:?}"));
}

/// For what nobody tells: asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} for {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Status of a condition, `-` where it is absent.
pub(crate) fn condition(object: &impl Serialize, type_: &str) -> String {
    let object = serde_json::to_value(object).unwrap();
    let all = object["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let found = all.iter().find(|condition| condition["type"] == type_);
    found.map_or("-".to_owned(), |found| {
        found["status"].as_str().unwrap_or_default().to_owned()
    })
}

/// The interpreter of the recipe's environment; Traefik's and Ray's programs lie beside it.
pub(crate) fn python() -> PathBuf {
    let path = std::env::var_os("BASECAMP_PYTHON").map(PathBuf::from);
    let Some(path) = path.filter(|path| path.exists()) else {
        panic!(
            "BASECAMP_PYTHON must name the interpreter of the recipe's environment (it has Ray and Traefik): `cargo xtask test` \
             sets it, or `BASECAMP_PYTHON=$PWD/.basecamp/python/DIGEST/bin/python cargo test -p controllers` after `cargo xtask up`"
        );
    };
    path
}

fn publish(images: &ImageStore) {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/carry_out/image");
    let names = ["server.py", "trial.sh", "job.py"];
    let files = names.map(|name| {
        let bytes = std::fs::read(recipe.join(name)).unwrap();
        (name.to_owned(), hex::encode(Sha256::digest(bytes)))
    });
    let manifest = ImageManifest {
        name: "test/recipe".into(),
        digest: hex::encode(Sha256::digest(format!("{files:?}"))),
        files: files.into(),
        tags: BTreeMap::from([("all".into(), "all-0".into())]),
        modules: BTreeMap::new(),
        own: Vec::new(),
    };
    let base = Base {
        path: vec![python().parent().unwrap().to_owned()],
        env: BTreeMap::from([("FROM_IMAGE".into(), "yes".into())]),
    };
    images.publish(&recipe, &manifest, &base).unwrap();
}

fn started(command: &mut Command, log: &Path) -> Child {
    let log = std::fs::File::create(log).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}
