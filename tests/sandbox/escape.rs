//! Attempts to get out: each is made by a real process inside, under each backend, as root and
//! as nobody, and its effect is looked for from outside.

use super::stage::{CANARY, CONFINING, Stage, Who, everywhere, is_root, text};
use serde_json::json;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

#[test]
fn nothing_outside_the_workspace_can_be_written() {
    everywhere(|stage, backend| {
        let outside = text(&stage.path("outside"));
        let ink = stage.path("work/link");
        symlink(stage.path("outside"), &ink).unwrap();
        let before = std::fs::metadata(stage.path("outside/file")).unwrap();
        let command = format!(
            "cd {outside} && echo x > new; echo x >> {outside}/file; : > {outside}/file; \
             rm -f {outside}/file; mkdir {outside}/d; mkfifo {outside}/p; echo x > link/new; \
             ln -s {outside} own && echo x > own/new; ln {outside}/file hard && echo x > hard; \
             mv sub {outside}/sub; echo x > ../outside/new; echo x > /proc/self/root{outside}/new; \
             echo x > {outside}-evil; echo x > ~/.bashrc; echo x > /etc/cron.d/x; \
             echo x > /usr/x; echo x > /dev/shm/ion-x; cp /bin/sh /var/tmp/ion-x; true"
        );
        stage.bash(backend, &command).play();
        let names: Vec<_> = std::fs::read_dir(stage.path("outside")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let after = std::fs::metadata(stage.path("outside/file")).unwrap();
        assert_eq!((before.len(), before.ino(), 1), (after.len(), after.ino(), after.nlink()));
        for path in ["/etc/cron.d/x", "/usr/x", "/dev/shm/ion-x", "/var/tmp/ion-x"] {
            assert!(!std::path::Path::new(path).exists(), "{path}");
        }
        assert!(!stage.path("home/.bashrc").exists());
    });
}

#[test]
fn secrets_of_the_home_the_system_and_the_parent_cannot_be_read() {
    everywhere(|stage, backend| {
        let outside = text(&stage.path("outside/file"));
        let home = text(&stage.path("home"));
        symlink(stage.path("home/.ssh/id_rsa"), stage.path("work/key")).unwrap();
        let command = format!(
            "cat {outside} {home}/.ssh/id_rsa {home}/.ion/config.json key /etc/shadow; \
             for p in /proc/[0-9]*; do cat $p/environ $p/root{outside} $p/cwd/../outside/file; \
             done | tr '\\0' '\\n'; env; cat /proc/self/cwd/../outside/file; exit 0"
        );
        let played = stage.bash(backend, &command).play();
        // The words that name the folder are fine, its content is not.
        assert!(!played.0.to_string().contains(CANARY), "{:#}", played.0);
        assert!(!played.content().contains("root:"), "{:#}", played.0);
        let names = ["Read", "Grep"];
        for tool in names {
            for path in ["home/.ssh/id_rsa", "outside/file"] {
                let file = text(&stage.path(path));
                let input = json!({"file_path": file, "pattern": "canary", "path": file});
                let played = stage.scene(backend, tool, input).with("paths", vec![file]).play();
                assert!(!played.0.to_string().contains(CANARY), "{:#}", played.0);
                played.failed();
            }
        }
    });
}

#[test]
fn the_wrapper_and_the_worker_are_started_without_any_variable() {
    for backend in super::stage::ALL {
        let stage = Stage::new(Who::Me);
        let ion = stage.bash(backend, "touch started; sleep 1").start();
        while !stage.path("work/started").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let mut pending = vec![ion.id().to_string()];
        let mut seen = 0;
        while let Some(pid) = pending.pop() {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            for child in children.unwrap_or_default().split_whitespace() {
                pending.push(child.to_owned());
                // Shut to the same user where it is a worker; root sees all.
                let environment = std::fs::read(format!("/proc/{child}/environ"));
                let environment =
                    String::from_utf8_lossy(&environment.unwrap_or_default()).into_owned();
                assert!(!environment.contains(CANARY), "{backend}: {environment:?}");
                seen += 1;
            }
        }
        assert!(seen >= 3, "{backend}: {seen} processes");
        ion.wait_with_output().unwrap();
    }
}

#[test]
fn an_inherited_descriptor_does_not_reach_the_tool() {
    everywhere(|stage, backend| {
        let played = stage
            .bash(backend, "ls -l /proc/self/fd /proc/1/fd; cat <&7; cat <&9; echo x >&8; exit 0")
            .inheriting("7<../outside/file 8>>../outside/file 9<../outside")
            .play();
        assert!(!played.content().contains(CANARY), "{}", played.content());
        assert!(!played.content().contains("outside"), "{}", played.content());
        assert_eq!(std::fs::read_to_string(stage.path("outside/file")).unwrap(), CANARY);
    });
}

#[test]
fn a_socket_reaches_nobody_outside_and_one_lying_in_the_workspace_is_shut() {
    everywhere(|stage, backend| {
        let door = UnixListener::bind(stage.path("work/door")).unwrap();
        let host = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = host.local_addr().unwrap().port();
        stage.hand_over();
        door.set_nonblocking(true).unwrap();
        host.set_nonblocking(true).unwrap();
        let program = "
import socket, os
for family, kind in [(2, 1), (2, 2), (10, 1), (10, 2), (16, 3), (17, 3), (40, 1), (1, 1), (1, 2), (38, 5)]:
    try:
        s = socket.socket(family, kind); print('MADE', family, kind)
        if family == 1: s.connect('door')
        if family == 2: s.connect(('127.0.0.1', PORT)); s.send(b'x')
    except OSError as e:
        print(family, kind, e.errno)
a, b = socket.socketpair(); a.send(b'x'); print('pair', b.recv(1))
"
        .replace("PORT", &port.to_string());
        let played = stage.bash(backend, &python(&program)).play();
        let content = played.ok();
        let made = content.lines().filter(|line| line.starts_with("MADE"));
        // Of a namespace without anybody else in it, or none at all.
        let internet = |line: &str| line.starts_with("MADE 2 ") || line.starts_with("MADE 10 ");
        assert!(made.clone().all(internet), "{content}");
        assert_eq!(made.count() > 0, super::stage::has_view(backend), "{content}");
        assert!(content.contains("1 1 1\n") && content.contains("16 3 1\n"), "{content}");
        assert!(content.contains("pair b'x'"), "{content}");
        assert!(door.accept().is_err() && host.accept().is_err());
    });
}

#[test]
fn with_a_network_local_sockets_and_odd_families_stay_shut() {
    everywhere(|stage, backend| {
        let program = "
import socket
socket.socket(2, 1); socket.socket(10, 2)
for family in [1, 17, 40, 38]:
    try: socket.socket(family, 1); print('MADE', family)
    except OSError as e: print(family, e.errno)
";
        let played = stage.bash(backend, &python(program)).with("network", true).play();
        assert_eq!(played.ok().trim(), "1 1\n17 1\n40 1\n38 1");
    });
}

/// Number, arguments and expected errno of calls on x86-64.
const REFUSED_CALLS: &str = "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, want, *args):
    got = libc.syscall(*[ctypes.c_long(a) for a in args])
    e = ctypes.get_errno()
    print('OPEN' if got != -1 or e != want else 'shut', name, got, e)
EPERM, ENOSYS = 1, 38
call('ptrace traceme', EPERM, 101, 0, 0, 0, 0)
call('process_vm_readv', EPERM, 310, os.getpid(), 0, 0, 0, 0, 0)
call('pidfd_getfd', EPERM, 438, 0, 0, 0)
call('kcmp', EPERM, 312, 1, 1, 0, 0, 0)
call('unshare user', EPERM, 272, 0x10000000)
call('clone newuser', EPERM, 56, 0x10000000 | 17, 0, 0, 0, 0)
call('clone newns high bits', EPERM, 56, (1 << 40) | 0x20000 | 17, 0, 0, 0, 0)
call('clone3', ENOSYS, 435, 0, 0)
call('setns', EPERM, 308, 0, 0)
call('mount', EPERM, 165, 0, 0, 0, 0, 0)
call('umount', EPERM, 166, 0, 0)
call('fsopen', EPERM, 430, 0, 0)
call('open_tree', EPERM, 428, 0, 0, 0)
call('chroot', EPERM, 161, 0)
call('pivot_root', EPERM, 155, 0, 0)
call('io_uring_setup', EPERM, 425, 1, 0)
call('bpf', EPERM, 321, 0, 0, 0)
call('perf_event_open', EPERM, 298, 0, 0, 0, 0, 0)
call('userfaultfd', EPERM, 323, 0)
call('add_key', EPERM, 248, 0, 0, 0, 0, 0)
call('keyctl', EPERM, 250, 0, 0, 0, 0, 0)
call('init_module', EPERM, 175, 0, 0, 0)
call('kexec_load', EPERM, 246, 0, 0, 0, 0)
call('syslog', EPERM, 103, 3, 0, 0)
call('open_by_handle_at', EPERM, 304, 0, 0, 0)
call('personality', EPERM, 135, 0x0400000)
call('tiocsti', EPERM, 16, 0, 0x5412, 0)
call('tiocsti high bits', EPERM, 16, 0, (1 << 32) | 0x5412, 0)
call('tioclinux', EPERM, 16, 0, 0x541c, 0)
call('tiocsctty', EPERM, 16, 0, 0x540e, 1)
call('shmget', EPERM, 29, 0, 4096, 0o1600)
call('mq_open', EPERM, 240, 0, 0, 0, 0)
call('prlimit of another', EPERM, 302, 1, 7, 0, 0)
call('openat2 in a command', ENOSYS, 437, -100, 0, 0, 0)
open('f', 'w').close()
for mode in (0o4755, 0o2755):
    try: os.chmod('f', mode); print('OPEN chmod', oct(mode))
    except PermissionError: print('shut chmod')
try: os.close(os.open('g', os.O_CREAT | os.O_WRONLY, 0o4755)); print('OPEN create set-uid')
except PermissionError: print('shut create')
pid = os.fork()
if pid == 0:
    libc.syscall(ctypes.c_long(0x40000000 + 39)); os._exit(0)
print('OPEN' if os.waitpid(pid, 0)[1] == 0 else 'shut', 'x32')
print('done')
";

#[cfg(target_arch = "x86_64")]
#[test]
fn dangerous_system_calls_are_refused() {
    everywhere(|stage, backend| {
        let played = stage.bash(backend, &python(REFUSED_CALLS)).play();
        let content = played.ok();
        // In a view no terminal but its own can be taken over, and a shell with job control needs to:
        // ENOTTY, for there is no terminal here at all.
        let content = match super::stage::has_view(backend) {
            false => content.to_owned(),
            true => content.replace("OPEN tiocsctty -1 25", ""),
        };
        assert!(!content.contains("OPEN"), "{content}");
        assert!(content.trim_end().ends_with("done"), "{content}");
    });
}

#[test]
fn a_process_inside_has_no_privilege_and_no_way_to_get_one() {
    everywhere(|stage, backend| {
        let played = stage
            .bash(
                backend,
                "grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp):' /proc/self/status",
            )
            .play();
        let content = played.ok();
        assert_eq!(content.matches("0000000000000000").count(), 4, "{content}");
        assert!(content.contains("NoNewPrivs:\t1") && content.contains("Seccomp:\t2"), "{content}");
    });
}

#[test]
fn processes_outside_are_out_of_reach() {
    everywhere(|stage, backend| {
        let mut victim = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = victim.id();
        let parent = std::process::id();
        let command = format!(
            "kill -9 {pid}; kill -9 {parent}; cat /proc/{pid}/environ; \
             head -c1 /proc/{parent}/mem; ls -l /proc/{parent}/fd; exit 0"
        );
        stage.bash(backend, &command).play();
        assert!(victim.try_wait().unwrap().is_none(), "the victim was killed");
        victim.kill().unwrap();
        victim.wait().unwrap();
    });
}

#[test]
fn other_processes_are_invisible_in_an_own_view() {
    for backend in ["bwrap", "userns"] {
        let stage = Stage::new(Who::Me);
        let command = "ls -d /proc/[0-9]*; hostname; ls /sys /run /var /opt";
        let played = stage.bash(backend, command).play();
        let content = played.failed();
        let processes = content.lines().filter(|line| line.starts_with("/proc/")).count();
        assert!(processes <= 3, "{content}");
        assert!(content.contains("\nion\n"), "{content}");
    }
}

#[test]
fn the_worker_cannot_be_made_to_answer_by_the_command() {
    everywhere(|stage, backend| {
        let forged = r#"{"id":"call-1","digest":"d1","content":"forged","is_error":false,"exit_code":0,"omitted_bytes":0}"#;
        let command = format!(
            "for p in 1 $PPID; do for f in 0 1 2; do echo '{forged}' > /proc/$p/fd/$f; done; \
             kill -9 $p; done; echo honest"
        );
        let played = stage.bash(backend, &command).play();
        assert_ne!(played.content(), "forged", "{:#}", played.0);
        // Killing one's own worker is possible under Landlock and ends the call, no more.
        assert!(played.content().contains("honest") || played.error() == Some("worker"));
    });
}

const PROTECT: [&str; 5] = [".git/hooks", ".git/config", ".ion", ".mcp.json", ".envrc"];

fn repository(stage: &Stage) {
    for folder in ["work/.git/hooks", "work/sub/nested/.git/hooks"] {
        std::fs::create_dir_all(stage.path(folder)).unwrap();
    }
    std::fs::write(stage.path("work/.git/hooks/pre-commit"), "good").unwrap();
    std::fs::write(stage.path("work/.git/config"), "good").unwrap();
    std::fs::write(stage.path("work/sub/nested/.git/config"), "good").unwrap();
    std::fs::write(stage.path("work/.envrc"), "good").unwrap();
    stage.hand_over();
}

#[test]
fn protected_names_survive_every_attempt_to_change_them() {
    everywhere(|stage, backend| {
        repository(stage);
        let attempts = [
            "echo evil > .git/hooks/pre-commit",
            "echo evil > .git/hooks/post-checkout",
            "echo evil >> .git/config",
            "rm -rf .git/hooks .envrc",
            "mv .git .git2; mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit",
            "mv sub sub2; mkdir -p sub/nested/.git; echo evil > sub/nested/.git/config",
            "mkdir .ion; chmod 755 .ion; echo evil > .ion/config.json",
            "mv .ion .ion2; rmdir .ion; mkdir .ion; echo evil > .ion/config.json",
            "echo evil > .mcp.json; ln -s /tmp .mcp.json; echo evil > x; mv x .mcp.json",
            "ln .git/config alias; echo evil > alias; ln -s .git/config soft; echo evil > soft",
            "chmod 000 .git/config; echo evil > y; mv -f y .envrc; cp y .git/config",
            "mv .git/hooks .git/old; ln -s /tmp .git/hooks; rm -rf sub/nested",
        ];
        for attempt in attempts {
            let scene = stage.bash(backend, &format!("{attempt}; true"));
            let played = scene.with("protect", PROTECT.to_vec()).play();
            assert_eq!(played.error(), None, "{attempt} was not made");
            let good = |path: &str| {
                let text = std::fs::read_to_string(stage.path(path)).unwrap_or_default();
                assert_eq!(text, "good", "{path} after {attempt}");
            };
            good("work/.git/hooks/pre-commit");
            good("work/.git/config");
            good("work/sub/nested/.git/config");
            good("work/.envrc");
            let hooks = std::fs::read_dir(stage.path("work/.git/hooks")).unwrap().count();
            assert_eq!(hooks, 1, "{attempt}");
            for absent in ["work/.ion", "work/.mcp.json"] {
                let there = std::fs::symlink_metadata(stage.path(absent)).is_ok();
                assert!(!there, "{absent} after {attempt}");
            }
        }
    });
}

#[test]
fn the_rest_of_a_protected_repository_stays_usable() {
    everywhere(|stage, backend| {
        repository(stage);
        let command = "echo 1 > .git/index && mv .git/index .git/HEAD && echo 2 > sub/f && \
                       mv sub/f g && mkdir -p a/b && mv a c && cat .git/config .git/hooks/pre-commit";
        let played = stage.bash(backend, command).with("protect", PROTECT.to_vec()).play();
        assert_eq!(played.ok(), "goodgood");
        assert!(stage.path("work/.git/HEAD").exists());
    });
}

#[test]
fn a_changed_protected_name_fails_the_call_and_is_named_where_mounts_cannot_hold_it() {
    for backend in super::stage::CONFINING.into_iter().filter(|name| !super::stage::has_view(name))
    {
        let stage = Stage::new(Who::Me);
        repository(&stage);
        let scene = stage.bash(backend, "echo evil > .git/config");
        let played = scene.with("protect", PROTECT.to_vec()).play();
        assert!(played.failed().contains(".git/config was changed; put back"), "{:#}", played.0);
        let missing = played.0["enforced"]["missing"].to_string();
        assert!(missing.contains("protected names are compared and put back"), "{missing}");
    }
}

#[test]
fn a_protected_name_made_in_a_new_folder_is_reported() {
    everywhere(|stage, backend| {
        let command = "mkdir -p new/.git/hooks && echo x > new/.git/hooks/pre-commit";
        let played = stage.bash(backend, command).with("protect", PROTECT.to_vec()).play();
        played.ok();
        let missing = played.0["enforced"]["missing"].to_string();
        assert!(missing.contains("new/.git/hooks was made during the call"), "{missing}");
        let again = stage.bash(backend, "true").with("protect", PROTECT.to_vec()).play();
        assert!(!again.0["enforced"]["missing"].to_string().contains("was made"), "{:#}", again.0);
    });
}

#[test]
fn a_link_at_a_protected_name_is_compared_and_put_back() {
    everywhere(|stage, backend| {
        std::fs::create_dir(stage.path("work/shared")).unwrap();
        symlink("shared", stage.path("work/.ion")).unwrap();
        stage.hand_over();
        let command = "echo evil > .ion/x; rm .ion; mkdir .ion; echo evil > .ion/config.json";
        let played = stage.bash(backend, command).with("protect", PROTECT.to_vec()).play();
        assert!(played.failed().contains(".ion was changed; put back"), "{:#}", played.0);
        assert!(!stage.path("work/shared/x").exists());
        assert_eq!(std::fs::read_link(stage.path("work/.ion")).unwrap().to_str(), Some("shared"));
    });
}

#[test]
fn a_hidden_path_below_the_workspace_is_masked_or_the_call_refused() {
    for who in super::stage::EVERYBODY {
        let stage = Stage::new(who);
        std::fs::write(stage.path("work/.env"), CANARY).unwrap();
        std::fs::create_dir(stage.path("work/keys")).unwrap();
        std::fs::write(stage.path("work/keys/k"), CANARY).unwrap();
        stage.hand_over();
        let hide = vec![text(&stage.path("work/.env")), text(&stage.path("work/keys"))];
        let command = "cat .env keys/k; echo x > keys/n; rm -rf keys .env; mv .env e; exit 0";
        let played = stage.bash("bwrap", command).with("hide", hide.clone()).play();
        assert!(!played.ok().contains(CANARY), "{:#}", played.0);
        assert_eq!(std::fs::read_to_string(stage.path("work/.env")).unwrap(), CANARY);
        assert!(stage.path("work/keys/k").exists());
        for backend in
            super::stage::CONFINING.into_iter().filter(|name| !super::stage::has_view(name))
        {
            let played = stage.bash(backend, "cat .env").with("hide", hide.clone()).play();
            assert_eq!(played.error(), Some("unavailable"), "{:#}", played.0);
            assert!(played.0["message"].to_string().contains(backend), "{:#}", played.0);
        }
    }
}

#[test]
fn a_workspace_that_is_not_writable_stays_as_it_is() {
    everywhere(|stage, backend| {
        let command = "echo x > f; mkdir d; rm -rf sub; exit 0";
        stage.bash(backend, command).with("workspace_writable", false).play().ok();
        let names: Vec<_> = std::fs::read_dir(stage.work()).unwrap().flatten().collect();
        assert!(names.len() == 1 && names[0].file_name() == "sub", "{names:?}");
    });
}

#[test]
fn the_superuser_inside_is_not_the_superuser() {
    if !is_root() {
        return;
    }
    for backend in super::stage::CONFINING {
        let stage = Stage::new(Who::Me);
        let before = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
        let command = "echo evil > /proc/sys/kernel/core_pattern; mknod d b 8 0; \
                       echo b > /proc/sysrq-trigger; date -s 2001-01-01; exit 0";
        stage.bash(backend, command).play();
        assert_eq!(std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
        assert!(!stage.path("work/d").exists());
    }
}

/// Devices are the host's own files: what is done to one there is done to everybody. Landlock alone
/// does not see modes, and bubblewrap can make no device read-only that can still be used.
#[test]
fn the_mode_of_a_device_cannot_be_changed_and_it_can_be_used() {
    let held = CONFINING.into_iter().filter(|name| !["bwrap", "landlock"].contains(name));
    // What root gets without asking must hold it too.
    for backend in held.chain(["auto"]) {
        let stage = Stage::new(Who::Me);
        let about = |path: &str| {
            let about = std::fs::metadata(path).unwrap();
            (about.mode(), about.uid())
        };
        for device in ["full", "zero", "random", "urandom", "tty", "null"] {
            let path = format!("/dev/{device}");
            let before = about(&path);
            let command = format!(
                "chmod 640 {path} && echo OPEN; chown 1 {path} && echo OPEN; \
                 touch -d 2001-01-01 {path} && echo OPEN; echo x > /dev/null && echo used"
            );
            let played = stage.bash(backend, &command).play();
            let after = about(&path);
            if before != after {
                // Everybody else needs it.
                let mode = std::fs::Permissions::from_mode(before.0 & 0o7777);
                std::fs::set_permissions(&path, mode).unwrap();
                std::os::unix::fs::chown(&path, Some(before.1), None).unwrap();
            }
            assert_eq!(before, after, "{backend}: {path}");
            let content = played.ok();
            assert!(content.starts_with("used\n"), "{backend}: {path}: {content}");
        }
    }
}

/// A shell word that runs a Python program.
fn python(program: &str) -> String {
    format!("/usr/bin/python3 - <<'PROBE'\n{program}\nPROBE\n")
}
