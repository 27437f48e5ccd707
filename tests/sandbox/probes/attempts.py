"""Attempts to leave the sandbox, one a line of output: OPEN or shut, and a name.

Run inside, and bare for comparison. An attempt that only an administrator could make succeed is
made with arguments that do nothing (`reaches`): EPERM, EACCES and ENOSYS mean that the door is shut,
any other answer means that the kernel would have gone on.

Arguments: the folder outside, a TCP port, a UDP port, the number of a process outside.
"""
import ctypes, errno, fcntl, os, socket, stat, struct, sys

outside, tcp, udp, victim = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
F = outside + "/file"
BUF = ctypes.create_string_buffer(256)


def call(number, *args):
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(number, *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def reaches(number, *args):
    try:
        return call(number, *args)
    except OSError as e:
        return e.errno not in (errno.EPERM, errno.EACCES, errno.ENOSYS)


def attempt(name, body):
    try:
        got = body()
    except BaseException as e:
        got, why = None, f"{type(e).__name__} {str(e)[:50]}"
    else:
        why = "" if isinstance(got, bool) else str(got)[:80]
    print("OPEN" if got else "shut", name, why.replace("\n", " "), flush=True)


def read(path):
    with open(path, "rb") as f:
        return f.read(200).decode(errors="replace") or None


def write(path, how="w"):
    with open(path, how) as f:
        f.write("pwned")
    return True


def done(_):
    return True


def sock(family, kind, proto=0):
    return socket.socket(family, kind, proto)


def connect(family, address, proto=0):
    s = sock(family, socket.SOCK_STREAM, proto)
    s.settimeout(1)
    s.connect(address)
    s.send(b"x")
    return True


def link(make, target, name):
    make(target, name)
    return name


def set_id(path):
    return os.path.exists(path) and bool(os.stat(path).st_mode & 0o6000)


A = attempt
# -- write outside
A("write/new", lambda: write(outside + "/new"))
A("write/over", lambda: write(F))
A("write/append", lambda: write(F, "a"))
A("write/truncate", lambda: done(os.truncate(F, 0)))
A("write/unlink", lambda: done(os.unlink(outside + "/gone")))
A("write/mkdir", lambda: done(os.mkdir(outside + "/d")))
A("write/rmdir", lambda: done(os.rmdir(outside + "/empty")))
A("write/mkfifo", lambda: done(os.mkfifo(outside + "/ff")))
A("write/symlink", lambda: done(os.symlink("x", outside + "/sl")))
A("write/mode", lambda: done(os.chmod(F, 0o777)))
A("write/owner", lambda: done(os.chown(F, os.getuid(), os.getgid())))
A("write/times", lambda: done(os.utime(F, (1, 1))))
A("write/xattr", lambda: done(os.setxattr(F, "user.a", b"b")))
A("write/rename-out", lambda: (write("mine"), done(os.rename("mine", outside + "/mine")))[1])
A("write/rename-over", lambda: (write("mine2"), done(os.rename("mine2", outside + "/over")))[1])
A("write/rename-in", lambda: done(os.rename(outside + "/moved", "stolen")))
A("write/exchange", lambda: (write("mine3"), call(316, -100, b"mine3", -100, (outside + "/over").encode(), 2))[1])
A("write/link-out", lambda: (write("mine4"), done(os.link("mine4", outside + "/linked")))[1])
A("write/link-in", lambda: write(link(os.link, F, "hard"), "a"))
A("write/by-symlink", lambda: write(link(os.symlink, F, "soft"), "a"))
A("write/by-shipped-symlink", lambda: write("shipped", "a"))
A("write/by-folder-symlink", lambda: write(link(os.symlink, outside, "folder") + "/new2"))
A("write/dotdot", lambda: write("../outside/new3"))
A("write/sibling-with-prefix", lambda: write("../work-evil/new"))
A("write/proc-root", lambda: write("/proc/self/root" + outside + "/new4"))
A("write/proc-cwd", lambda: write("/proc/self/cwd/../outside/new5"))
A("write/fd-reopened", lambda: write("/proc/self/fd/0", "a"))
A("write/fifo", lambda: done(os.open(outside + "/fifo", os.O_WRONLY | os.O_NONBLOCK)))
A("write/handle", lambda: reaches(304, -100, BUF, 0))
A("write/var-tmp", lambda: write(f"/var/tmp/ion-probe-{os.getpid()}"))
A("write/etc", lambda: write("/etc/ion-probe"))
A("write/usr", lambda: write("/usr/ion-probe"))
# -- protected names
for name in [".git/hooks/pre-commit", ".git/config", ".git/info/attributes", ".git/config.worktree",
             ".vscode/settings.json", ".idea/x", ".claude/settings.json", ".codex/config.toml", ".cursor/x", ".gemini/x",
             ".agents/x", ".devcontainer/devcontainer.json", ".mcp.json", ".envrc", ".husky/pre-commit", ".gitmodules",
             ".github/workflows/x.yml", ".gitlab-ci.yml", ".circleci/config.yml", ".pre-commit-config.yaml",
             ".git-credentials", ".ion/config.toml", "nested/.git/hooks/pre-commit", "nested/.git/config"]:
    def make(name=name):
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        return write(name, "a")
    A("protected/" + name, make)
A("protected/rename-git", lambda: done(os.rename(".git", "moved-git")))
A("protected/rename-nested", lambda: done(os.rename("nested", "moved")))
A("protected/rename-over", lambda: (write("cfg"), done(os.rename("cfg", ".git/config")))[1])
A("protected/hard-link", lambda: write(link(os.link, ".git/config", "cfg2"), "a"))
A("protected/alias", lambda: write(link(os.symlink, ".git", "alias") + "/hooks/post-commit"))
A("protected/unlink", lambda: done(os.unlink(".git/config")))
A("protected/mode", lambda: done(os.chmod(".git/hooks", 0o777)))
A("protected/umount", lambda: call(166, b".git/hooks", 2))
A("protected/remount", lambda: call(165, 0, b".git/hooks", 0, 32 | 4096, 0))
A("protected/symlink-in-place", lambda: done(os.symlink("/tmp", ".vscode2")) and done(os.rename(".vscode2", ".vscode")))
# -- read
for path in ["secret", "over"]:
    A("read/" + path, lambda path=path: read(outside + "/" + path))
home = os.path.join(os.path.dirname(outside), "home")
A("read/ssh", lambda: read(home + "/.ssh/id_rsa"))
A("read/ion", lambda: read(home + "/.ion/config.json"))
A("read/shadow", lambda: read("/etc/shadow"))
A("read/by-link", lambda: read(link(os.symlink, outside + "/secret", "peek")))
A("read/by-hard-link", lambda: read(link(os.link, outside + "/secret", "peek2")))
A("read/proc-1-root", lambda: read("/proc/1/root" + outside + "/secret"))
A("read/proc-parent-root", lambda: read(f"/proc/{os.getppid()}/root" + outside + "/secret"))
A("read/proc-victim-root", lambda: read(f"/proc/{victim}/root" + outside + "/secret"))
A("read/proc-victim-cwd", lambda: os.listdir(f"/proc/{victim}/cwd"))
A("read/list", lambda: os.listdir(outside))
A("read/stat", lambda: os.stat(outside + "/secret").st_size)
A("read/access", lambda: os.access(outside + "/secret", os.F_OK))
A("read/watch", lambda: call(254, libc.inotify_init(), (outside + "/secret").encode(), 2))
A("read/run", lambda: os.listdir("/run"))
A("read/var", lambda: os.listdir("/var"))
A("read/sys", lambda: os.listdir("/sys"))
# -- environment and descriptors
for pid in ("1", "self/../1", str(os.getppid()), str(victim)):
    A(f"environment/{pid if pid[0] in 's1' and len(pid) > 3 or pid == '1' else 'other'}",
      lambda pid=pid: read(f"/proc/{pid}/environ"))
A("environment/own", lambda: [v for v in os.environ.values() if "canary" in v] or None)
A("environment/start-up", lambda: [n for n in ("BASH_ENV", "LD_PRELOAD", "NODE_OPTIONS", "SSH_AUTH_SOCK") if n in os.environ])
A("descriptor/file", lambda: os.read(9, 100))
A("descriptor/folder", lambda: os.open("secret", os.O_RDONLY, dir_fd=8) + 1)
A("descriptor/any", lambda: [n for n in range(3, 200) if os.path.exists(f"/proc/self/fd/{n}")][1:])
A("descriptor/of-pid-1", lambda: os.readlink("/proc/1/fd/0"))
A("descriptor/of-parent", lambda: os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY) + 1)
# -- network
A("network/tcp", lambda: connect(socket.AF_INET, ("127.0.0.1", tcp)))
A("network/tcp-any", lambda: connect(socket.AF_INET, ("0.0.0.0", tcp)))
A("network/tcp-mapped", lambda: connect(socket.AF_INET6, ("::ffff:127.0.0.1", tcp)))
A("network/mptcp", lambda: connect(socket.AF_INET, ("127.0.0.1", tcp), 262))
A("network/fast-open", lambda: sock(2, 1).sendto(b"x", 0x20000000, ("127.0.0.1", tcp)))
A("network/udp", lambda: (sock(2, 2).sendto(b"x", ("127.0.0.1", udp)), None)[1])
A("network/udp-out", lambda: sock(2, 2).sendto(b"x", ("192.0.2.1", 53)))
A("network/tcp-out", lambda: connect(socket.AF_INET, ("192.0.2.1", 80)))
A("network/dns", lambda: socket.getaddrinfo("example.com", 80))
A("network/raw", lambda: sock(2, 3, 1))
A("network/packet", lambda: sock(17, 3))
A("network/icmp", lambda: sock(2, 2, 1).sendto(b"\x08" + bytes(15), ("127.0.0.1", 0)))
A("network/vsock", lambda: sock(40, 1))
A("network/netlink", lambda: sock(16, 3))
A("network/alg", lambda: sock(38, 5))
A("network/bluetooth", lambda: sock(31, 3))
A("network/tipc", lambda: sock(30, 2))
A("network/unix", lambda: connect(socket.AF_UNIX, outside + "/socket"))
A("network/unix-in-workspace", lambda: connect(socket.AF_UNIX, "door"))
A("network/unix-datagram", lambda: sock(1, 2).sendto(b"x", outside + "/socket"))
A("network/abstract", lambda: connect(socket.AF_UNIX, "\0ion-probe"))
A("network/docker", lambda: connect(socket.AF_UNIX, "/var/run/docker.sock"))
A("network/bus", lambda: connect(socket.AF_UNIX, "/run/dbus/system_bus_socket"))
A("network/socketpair-inet", lambda: socket.socketpair(2, 1))
# -- processes
A("process/visible", lambda: os.path.exists(f"/proc/{victim}"))
A("process/arguments", lambda: read(f"/proc/{victim}/cmdline"))
A("process/ask", lambda: done(os.kill(victim, 0)))
A("process/kill", lambda: done(os.kill(victim, 15)))
A("process/thread-kill", lambda: call(234, victim, victim, 15))
A("process/queue", lambda: call(129, victim, 15, BUF))
A("process/pidfd", lambda: call(424, libc.syscall(434, victim, 0), 15, 0, 0))
A("process/pidfd-steal", lambda: reaches(438, 0, 0, 0))
A("process/ptrace", lambda: call(101, 0x4206, victim, 0, 0))
A("process/ptrace-parent", lambda: call(101, 0x4206, os.getppid(), 0, 0))
A("process/read-memory", lambda: reaches(310, victim, 0, 0, 0, 0, 0))
A("process/write-memory", lambda: reaches(311, victim, 0, 0, 0, 0, 0))
A("process/mem", lambda: open(f"/proc/{victim}/mem", "rb").fileno())
A("process/mem-1", lambda: open("/proc/1/mem", "rb").fileno())
A("process/maps", lambda: read(f"/proc/{victim}/maps"))
A("process/limits", lambda: call(302, victim, 7, BUF, 0))
A("process/nice", lambda: done(os.setpriority(0, victim, 9)))
A("process/affinity", lambda: done(os.sched_setaffinity(victim, {0})))
A("process/io-priority", lambda: call(251, 1, victim, 3 << 13))
A("process/compare", lambda: reaches(312, victim, victim, 0, 0, 0))
A("process/oom", lambda: write(f"/proc/{victim}/oom_score_adj"))
A("process/pages", lambda: reaches(256, victim, 8, 0, 0))
A("process/shm-make", lambda: call(29, 0x10A, 100, 0o1666))
A("process/shm-attach", lambda: reaches(30, 0x7FFFFFFF, 0, 0))
A("process/message-queue", lambda: call(68, 0x10A, 0o1666))
A("process/semaphore", lambda: call(64, 0x10A, 1, 0o1666))
A("process/posix-queue", lambda: call(240, b"ion-probe", 0o102, 0o600, 0))
A("process/posix-queue-unlink", lambda: reaches(241, b"ion-probe-none"))
A("process/keyring", lambda: call(250, 0, -3, 1))
A("process/key", lambda: call(248, b"user", b"ion-probe", b"y", 1, -3))
A("process/request-key", lambda: reaches(249, b"user", b"ion-probe-none", 0, 0))
# -- kernel
for name, flags in [("user", 0x10000000), ("mount", 0x20000), ("pid", 0x20000000), ("net", 0x40000000),
                    ("ipc", 0x8000000), ("uts", 0x4000000), ("cgroup", 0x2000000), ("time", 0x80)]:
    def unshare(flags=flags):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if libc.unshare(flags) == 0 else 1)
        return os.waitpid(pid, 0)[1] == 0
    A("kernel/unshare-" + name, unshare)


def clone_user():
    pid = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return pid > 0


A("kernel/clone-user", clone_user)
A("kernel/clone3", lambda: reaches(435, 0, 0))
A("kernel/setns", lambda: reaches(308, -1, 0))
for name, number, args in [
        ("mount", 165, (0, 0, 0, 0, 0)), ("umount", 166, (b"/nowhere", 0)), ("pivot-root", 155, (0, 0)),
        ("chroot", 161, (0,)), ("open-tree", 428, (-1, 0, 1)), ("move-mount", 429, (-1, 0, -1, 0, 0)),
        ("fsopen", 430, (0, 0)), ("fsconfig", 431, (-1, 0, 0, 0, 0)), ("fsmount", 432, (-1, 0, 0)),
        ("fspick", 433, (-1, 0, 0)), ("mount-setattr", 442, (-1, 0, 0, 0, 0)), ("io-uring", 425, (1, 0)),
        ("io-uring-enter", 426, (-1, 0, 0, 0, 0, 0)), ("io-uring-register", 427, (-1, 0, 0, 0)), ("bpf", 321, (-1, 0, 0)),
        ("perf", 298, (0, 0, -1, -1, 0)), ("userfaultfd", 323, (-1,)), ("kexec", 246, (0, 0, 0, -1)),
        ("kexec-file", 320, (-1, -1, 0, 0, 0)), ("init-module", 175, (0, 0, 0)), ("finit-module", 313, (-1, 0, 0)),
        ("delete-module", 176, (0, 0)), ("syslog", 103, (3, 0, 0)), ("quota", 179, (-1, 0, 0, 0)),
        ("accounting", 163, (b"/nowhere/x",)), ("swapon", 167, (0, 0)), ("swapoff", 168, (0,)), ("reboot", 169, (0, 0, 0, 0)),
        ("personality", 135, (0x20000,)), ("fanotify", 300, (-1, 0)), ("set-clock", 227, (0, 0)),
        ("set-time", 164, (1, 0)), ("hostname", 170, (0, 1)), ("domainname", 171, (0, 1)), ("iopl", 172, (3,)),
        ("ioperm", 173, (0, 1, 1)), ("ldt", 154, (1, 0, 0)), ("cookie", 212, (0, 0, 0)), ("vhangup", 153, ())]:
    if name == "vhangup" and "--bare" in sys.argv:
        continue  # It would hang up the terminal of whoever runs the tests.
    A("kernel/" + name, lambda number=number, args=args: reaches(number, *args))
for path in ["/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches"]:
    A("kernel/write" + path, lambda path=path: os.open(path, os.O_WRONLY) + 1)
for path in ["/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/vda", "/dev/sda", "/dev/fuse", "/dev/net/tun", "/dev/userfaultfd"]:
    A("kernel/open" + path, lambda path=path: os.open(path, os.O_RDONLY) + 1)
A("kernel/kcore", lambda: read("/proc/kcore"))
A("kernel/cgroup", lambda: os.listdir("/sys/fs/cgroup"))
A("kernel/suid-chmod", lambda: (write("s1"), os.chmod("s1", 0o4755), set_id("s1"))[2])
A("kernel/suid-fchmodat2", lambda: (write("s2"), call(452, -100, b"s2", 0o4755, 0), set_id("s2"))[2])
A("kernel/suid-open", lambda: call(257, -100, b"s3", 0o101, 0o4755) and set_id("s3"))
A("kernel/suid-openat2", lambda: call(437, -100, b"s4", struct.pack("QQQ", 0o101, 0o4755, 0), 24) and set_id("s4"))
A("kernel/suid-creat", lambda: call(85, b"s5", 0o4755) and set_id("s5"))
A("kernel/suid-mknod", lambda: call(133, b"s6", 0o104755, 0) and set_id("s6"))
A("kernel/device-file", lambda: done(os.mknod("null", 0o20666, os.makedev(1, 3))))
A("kernel/block-device", lambda: done(os.mknod("blk", 0o60666, os.makedev(254, 0))))
with open("/proc/self/status") as f:
    status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
A("kernel/capabilities", lambda: int(status["CapEff"], 16) or int(status["CapPrm"], 16))
A("kernel/new-privileges", lambda: status["NoNewPrivs"] != "1")

if "--bare" in sys.argv:
    # What succeeded bare goes again.
    for path in ("/etc/ion-probe", "/usr/ion-probe", f"/var/tmp/ion-probe-{os.getpid()}"):
        if os.path.exists(path):
            os.unlink(path)
    for get, control in ((29, 31), (68, 71)):
        number = libc.syscall(get, 0x10A, 0, 0)
        if number >= 0:
            libc.syscall(control, number, 0, 0)
    number = libc.syscall(64, 0x10A, 0, 0)
    if number >= 0:
        libc.syscall(66, number, 0, 0, 0)
    libc.syscall(241, b"ion-probe")
