//! The throw-away folder: a home, a workspace, a secret that exists nowhere else.

use crate::config::Environment;
use crate::model::hex;
use std::fs;
use std::io;
use std::path::PathBuf;

/// A private folder below the temporary folder. Removed when dropped, too, so that an
/// interrupted tour leaves nothing either.
pub struct Folder {
    root: PathBuf,
    token: String,
    gone: bool,
}

impl Folder {
    /// Makes the folder (0700) and fills it.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(environment: &Environment) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let mut random = [0u8; 24];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let (name, body) = random.split_at(4);
        // A token of the right form, made up here and now: the repository holds none.
        let token = format!("ghp_{}", &hex(body)[..36]);
        let temporary = PathBuf::from(environment.get("TMPDIR").unwrap_or("/tmp"));
        let root = temporary.join(format!("ion-tour-{}", hex(name)));
        fs::DirBuilder::new().mode(0o700).create(&root)?;
        let folder = Folder { root, token, gone: false };
        fs::create_dir(folder.home())?;
        fs::create_dir(folder.work())?;
        fs::write(folder.work().join("notes.txt"), NOTES)?;
        fs::write(folder.work().join("scratch.tmp"), "")?;
        let log = format!(
            "12:00:01 fetching sources\n12:00:02 login with {} accepted\n12:00:09 deployed\n",
            folder.token
        );
        fs::write(folder.work().join("deploy.log"), log)?;
        fs::write(folder.home().join("letters.txt"), "Dear diary\n")?;
        Ok(folder)
    }

    /// The made-up home.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The workspace.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The made-up token.
    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// The caller's environment with home and data moved into the folder.
    pub fn environment(&self, outside: &Environment) -> Environment {
        let moved = ["HOME", "ION_DATA_DIR", "XDG_CONFIG_HOME"];
        let kept = outside.iter().filter(|(name, _)| !moved.contains(name));
        let mut pairs: Vec<(String, String)> =
            kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        pairs.push(("HOME".to_owned(), self.home().display().to_string()));
        Environment::from_pairs(pairs)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// What the system says; the folder may then still be there.
    pub fn remove(mut self) -> io::Result<()> {
        self.gone = true;
        fs::remove_dir_all(&self.root)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.gone {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

const NOTES: &str = "Notes of the week\n\
    - the gate decides every call, by rules that can be read\n\
    - the kernel holds every call, also an allowed one\n\
    - what leaves is masked, what was decided is recorded\n";
