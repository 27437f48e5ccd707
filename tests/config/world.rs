//! A throw-away machine: home, workspace and an `/etc/ion` that Rust code alone can move.

use crate::support::Home;
use ion::config::{ConfigErrors, Environment, Flags, LoadRequest, Loaded, SealedSources, load};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

pub struct World {
    pub home: Home,
    pub variables: Vec<(String, String)>,
    pub flags: Flags,
}

impl World {
    pub fn new() -> Self {
        let home = Home::new();
        let variables = vec![("HOME".to_owned(), home.home().display().to_string())];
        World { home, variables, flags: Flags::default() }
    }

    pub fn user(self, text: &str) -> Self {
        self.home.write("home/.ion/engine.json", text);
        self
    }

    pub fn project(self, text: &str) -> Self {
        self.home.write("work/.ion/engine.json", text);
        self
    }

    pub fn sealed(self, text: &str) -> Self {
        self.sealed_file("config.json", text)
    }

    pub fn sealed_file(self, name: &str, text: &str) -> Self {
        let path = self.home.write(&format!("root/etc/ion/{name}"), text);
        chmod(&path, 0o644);
        let mut folder = path.parent().expect("a parent").to_path_buf();
        while folder.starts_with(self.root()) {
            chmod(&folder, 0o755);
            folder.pop();
        }
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn root(&self) -> PathBuf {
        self.home.work().parent().expect("a parent").join("root")
    }

    pub fn etc(&self, name: &str) -> PathBuf {
        self.root().join("etc/ion").join(name)
    }

    pub fn sources(&self) -> SealedSources {
        if !self.root().exists() {
            std::fs::create_dir(self.root()).expect("root");
        }
        SealedSources::rooted_at(self.root(), rustix::process::getuid().as_raw())
    }

    pub fn environment(&self) -> Environment {
        Environment::from_pairs(self.variables.clone())
    }

    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        self.load_from(self.sources())
    }

    pub fn load_from(&self, sealed: SealedSources) -> Result<Loaded, ConfigErrors> {
        let environment = self.environment();
        load(&LoadRequest {
            environment: &environment,
            workspace: self.home.work(),
            flags: self.flags.clone(),
            sealed,
        })
    }

    /// Loads what must be right.
    pub fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|errors| panic!("{}", errors.render()))
    }

    /// Loads what must be refused, and gives the report.
    pub fn refused(&self) -> String {
        match self.load() {
            Ok(_) => panic!("it was accepted"),
            Err(errors) => errors.render(),
        }
    }

    /// Trusts the workspace with the content that its files have now.
    pub fn trust(&self) {
        use ion::config::trust::{TrustStore, fingerprint};
        let mut texts = Vec::new();
        for name in ["engine.json", "config.toml", "config.local.toml"] {
            if let Ok(text) = std::fs::read_to_string(self.home.work().join(".ion").join(name)) {
                texts.push((name, text));
            }
        }
        let mut store = TrustStore::default();
        let folder = std::fs::canonicalize(self.home.work()).expect("the workspace");
        let folder = ion::model::AbsPath::new(folder).expect("absolute");
        store.trust(&folder, fingerprint(texts.iter().map(|(n, t)| (*n, t.as_str()))));
        let state = self.home.home().join(".ion");
        std::fs::create_dir_all(&state).expect("state");
        store.save(&state.join("trust.json")).expect("a saved store");
    }
}

pub fn chmod(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}
