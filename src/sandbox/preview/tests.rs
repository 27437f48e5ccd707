//! Applying: all or nothing, at every possible crash.

use super::*;
use std::collections::BTreeMap;

/// A workspace, an upper folder as the kernel would leave it, and Ion's data.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Scene { dir: tempfile::tempdir().unwrap() };
        for folder in
            ["work/sub/deep", "work/gone/inner", "work/swap", "upper/sub", "upper/new/more", "data"]
        {
            std::fs::create_dir_all(scene.at(folder)).unwrap();
        }
        for (file, text) in [
            ("work/keep", "keep"),
            ("work/edit", "old"),
            ("work/sub/deep/x", "x"),
            ("work/gone/inner/y", "y"),
            ("work/gone/z", "z"),
            ("work/swap/a", "a"),
            ("work/becomes", "file"),
            ("upper/edit", "new"),
            ("upper/sub/added", "added"),
            ("upper/new/more/file", "f"),
            ("upper/swap", "now a file"),
        ] {
            std::fs::write(scene.at(file), text).unwrap();
        }
        std::fs::create_dir(scene.at("upper/becomes")).unwrap();
        std::fs::write(scene.at("upper/becomes/inside"), "i").unwrap();
        symlink("keep", scene.at("upper/link")).unwrap();
        scene
    }

    fn at(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// What a scan would find; whiteouts need rights that a test may not have.
    fn set(&self) -> ChangeSet {
        let mut set = super::super::scan(&self.at("work"), &self.at("upper")).unwrap();
        for path in ["gone/inner/y", "gone/inner", "gone/z", "gone"] {
            let before = entry(&self.at("work").join(path)).unwrap();
            set.changes.insert(PathBuf::from(path), Change { before, after: None });
        }
        set
    }

    fn state(&self) -> BTreeMap<PathBuf, Option<Entry>> {
        fn walk(folder: &Path, all: &mut BTreeMap<PathBuf, Option<Entry>>) {
            for found in std::fs::read_dir(folder).unwrap() {
                let path = found.unwrap().path();
                all.insert(path.clone(), entry(&path).unwrap());
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, all);
                }
            }
        }
        let mut all = BTreeMap::new();
        walk(&self.at("work"), &mut all);
        all
    }

    fn apply(&self) -> Result<(), Refused> {
        apply(&self.set(), &self.at("work"), &[], &self.at("data"))
    }
}

#[test]
fn a_set_is_applied_exactly() {
    let scene = Scene::new();
    scene.apply().unwrap();
    let read = |path: &str| std::fs::read_to_string(scene.at(path)).unwrap();
    assert_eq!(read("work/edit"), "new");
    assert_eq!(read("work/sub/added"), "added");
    assert_eq!(read("work/sub/deep/x"), "x");
    assert_eq!(read("work/swap"), "now a file");
    assert_eq!(read("work/becomes/inside"), "i");
    assert_eq!(read("work/new/more/file"), "f");
    assert_eq!(std::fs::read_link(scene.at("work/link")).unwrap(), Path::new("keep"));
    assert!(!scene.at("work/gone").exists());
    let left: Vec<_> = std::fs::read_dir(scene.at("work")).unwrap().flatten().collect();
    assert_eq!(left.len(), 7, "{left:?}");
    assert_eq!(std::fs::read_dir(scene.at("data/previews")).unwrap().count(), 0);
}

#[test]
fn a_crash_before_any_step_is_undone() {
    let steps = {
        let scene = Scene::new();
        let mut most = 0;
        with(&scene.set(), &scene.at("work"), &scene.at("data"), |n| {
            most = n;
            true
        })
        .unwrap();
        most
    };
    assert!(steps > 10, "{steps}");
    for crash in 0..=steps {
        let scene = Scene::new();
        let before = scene.state();
        let set = scene.set();
        let crashed = with(&set, &scene.at("work"), &scene.at("data"), |n| n != crash);
        assert!(crashed.is_err());
        assert_eq!(recover(&scene.at("work"), &scene.at("data")).unwrap(), 1, "{crash}");
        assert_eq!(scene.state(), before, "crash before step {crash}");
        assert_eq!(recover(&scene.at("work"), &scene.at("data")).unwrap(), 0);
        scene.apply().unwrap();
    }
}

#[test]
fn a_workspace_that_moved_on_is_left_alone() {
    for (path, text) in [("work/edit", "other"), ("work/sub/added", "mine"), ("work/gone/z", "zz")]
    {
        let scene = Scene::new();
        let set = scene.set();
        std::fs::write(scene.at(path), text).unwrap();
        let before = scene.state();
        let refused = apply(&set, &scene.at("work"), &[], &scene.at("data"));
        assert!(matches!(refused, Err(Refused::Changed(_))), "{path}: {refused:?}");
        assert_eq!(scene.state(), before);
    }
}

#[test]
fn a_link_in_the_place_of_a_folder_leads_nowhere() {
    let scene = Scene::new();
    let set = scene.set();
    std::fs::rename(scene.at("work/sub"), scene.at("elsewhere")).unwrap();
    symlink(scene.at("elsewhere"), scene.at("work/sub")).unwrap();
    let stopped = with(&set, &scene.at("work"), &scene.at("data"), |_| true);
    assert!(stopped.is_err());
    assert!(!scene.at("elsewhere/added").exists());
    assert_eq!(std::fs::read_to_string(scene.at("work/edit")).unwrap(), "old", "it is undone");
}

#[test]
fn protected_names_and_odd_entries_are_refused_whole() {
    let scene = Scene::new();
    for name in ["sub/added", "new", "more", "SUB"] {
        let set = scene.set();
        let before = scene.state();
        let refused = apply(&set, &scene.at("work"), &[name.to_owned()], &scene.at("data"));
        assert!(matches!(refused, Err(Refused::Protected(_))), "{name}: {refused:?}");
        assert_eq!(scene.state(), before);
    }
    std::fs::set_permissions(scene.at("upper/edit"), std::fs::Permissions::from_mode(0o4755))
        .unwrap();
    assert!(matches!(scene.apply(), Err(Refused::Odd(_))));
}

#[test]
fn a_link_that_becomes_a_folder_shows_nothing_of_where_it_led() {
    let scene = Scene::new();
    std::fs::create_dir(scene.at("outside")).unwrap();
    for name in ["secret", "other"] {
        std::fs::write(scene.at("outside").join(name), "secret").unwrap();
    }
    symlink(scene.at("outside"), scene.at("work/leads")).unwrap();
    std::fs::create_dir(scene.at("upper/leads")).unwrap();
    std::fs::write(scene.at("upper/leads/secret"), "mine").unwrap();
    let set = super::super::scan(&scene.at("work"), &scene.at("upper")).unwrap();
    assert_eq!(
        set.changes[Path::new("leads/secret")].before,
        None,
        "it is not read through the link"
    );
    assert!(!set.changes.contains_key(Path::new("leads/other")));
    let shown = super::super::diff::show(&set, &scene.at("work"));
    assert!(!shown.contains("-secret"), "{shown}");
    scene.apply().unwrap();
    assert_eq!(std::fs::read_to_string(scene.at("work/leads/secret")).unwrap(), "mine");
    assert_eq!(std::fs::read_to_string(scene.at("outside/secret")).unwrap(), "secret");
}

#[test]
fn what_only_leads_to_a_protected_name_is_refused_too() {
    let git = [".git/hooks".to_owned()];
    for (made, top) in [("upper/.git", true), ("upper/sub/.GIT", false)] {
        let scene = Scene::new();
        std::fs::create_dir(scene.at("upper/hooks")).unwrap();
        symlink("hooks", scene.at(made)).unwrap();
        let before = scene.state();
        let refused = apply(&scene.set(), &scene.at("work"), &git, &scene.at("data"));
        assert!(matches!(refused, Err(Refused::Protected(_))), "{made} {top}: {refused:?}");
        assert_eq!(scene.state(), before);
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.at("work/refs")).unwrap();
    std::fs::create_dir(scene.at("upper/objects")).unwrap();
    std::fs::write(scene.at("upper/HEAD"), "ref: refs/heads/main").unwrap();
    assert!(matches!(scene.apply(), Err(Refused::Protected(_))));
}

#[test]
fn a_journal_written_in_part_means_that_nothing_was_done() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.at("data/previews")).unwrap();
    std::fs::write(scene.at("data/previews/a.journal"), "{\"workspace\":").unwrap();
    let before = scene.state();
    assert_eq!(recover(&scene.at("work"), &scene.at("data")).unwrap(), 0);
    assert_eq!(scene.state(), before);
}
