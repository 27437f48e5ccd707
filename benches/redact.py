#!/usr/bin/env python3
"""Speed and memory of `ion redact`, beside other scanners when they are at hand.

Usage: benches/redact.py [BINARY] [RUNS]

Throughput is user plus system time of one process on one core, as megabytes a second: time on the
wall says little on a shared machine. Inputs: sources (what the cargo registry and this repository
hold) mixed with generated logs; then texts as dense in matches as can be. Memory is the peak
resident size on a long stream (STREAM_GB, 1 by default; 10 for the figure of the project).
Peers are used when found: detect-secrets (`pip install detect-secrets`, PEER_DETECT_SECRETS names its
program) and secretlint (`npm install secretlint @secretlint/secretlint-rule-preset-recommend`,
PEER_SECRETLINT names the folder). They get a small part of the same text, because they are slow.
Every secret is made here; none is a live one.
"""
import glob
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BINARY = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/ion")
RUNS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
GIGABYTES = float(os.environ.get("STREAM_GB", "1"))
RANDOM = random.Random(20261127)
B62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def token(length):
    return "".join(RANDOM.choice(B62) for _ in range(length))


def sources(limit):
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    files = glob.glob(home + "/registry/src/*/*/**/*.rs", recursive=True)
    files += glob.glob("src/**/*.rs", recursive=True) + glob.glob("docs/*.md")
    RANDOM.shuffle(files)
    out, size = [], 0
    for file in files:
        with open(file, "rb") as opened:
            data = opened.read()
        out.append(data)
        size += len(data)
        if size >= limit:
            break
    return b"".join(out)


def logs(limit):
    lines, size = [], 0
    words = "request served cache miss retry user session timeout upstream connection closed".split()
    while size < limit:
        line = "2026-01-02T03:04:%02d.%03dZ INFO svc=%s id=%s path=/v1/%s/%d took=%dms %s\n" % (
            RANDOM.randrange(60), RANDOM.randrange(1000), RANDOM.choice(words),
            "%032x" % RANDOM.getrandbits(128), RANDOM.choice(words), RANDOM.randrange(10000),
            RANDOM.randrange(900), " ".join(RANDOM.choice(words) for _ in range(6)))
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()


def cpu(command, file, env):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(file, "rb") as stdin:
        subprocess.run(command, stdin=stdin, stdout=subprocess.DEVNULL, env=env, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def speed(command, file, env, runs=RUNS):
    size = os.path.getsize(file) / 1e6
    return size / statistics.median(cpu(command, file, env) for _ in range(runs))


def main():
    folder = tempfile.mkdtemp()
    home = os.path.join(folder, "home")
    os.mkdir(home)
    env = {"HOME": home, "PATH": os.environ["PATH"]}
    redact = [BINARY, "redact", "--placeholder", "label"]

    def write(name, data):
        file = os.path.join(folder, name)
        with open(file, "wb") as opened:
            opened.write(data)
        return file

    mixed = sources(40_000_000) + logs(40_000_000)
    inputs = {"sources": sources(40_000_000), "logs": logs(40_000_000), "mixed": mixed}
    for name, data in inputs.items():
        file = write(name, data)
        print(f"{name:28} {speed(redact, file, env):8.0f} MB/s  ({len(data) / 1e6:.0f} MB)", flush=True)
    known = write("known.json", json.dumps([token(24) for _ in range(20)]).encode())
    print(f"{'mixed, 20 known values':28} {speed(redact + ['--known', known], write('mixed', mixed), env):8.0f} MB/s")
    dense = {
        "tokens": lambda: "ghp_" + token(36) + "\n",
        "assignments": lambda: "password=" + token(10) + "\n",
        "half tokens": lambda: "ghp_" + token(3) + " eyJ" + token(3) + " ",
        "names": lambda: "token key secret password auth ",
        "glued names": lambda: "tokenkeysecretpassword=",
        "percent": lambda: "%3D%22" + token(4),
        "base64": lambda: "QUJDREVGR0hJSktM",
        "colours": lambda: "\x1b[31m" + token(5) + "\x1b[0m\n",
        "long runs": lambda: token(30) + " ",
        "urls": lambda: "http://a:b@c ",
        "keys": lambda: "-----BEGIN RSA PRIVATE KEY-----\n" + token(64) + "\n",
        "begins": lambda: "-----BEGIN ",
        "placeholders": lambda: "[secret:jwt:1] ",
        "entities": lambda: "&quot;a&quot;: ",
    }
    for name, make in dense.items():
        pieces, size = [], 0
        while size < 6_000_000:
            piece = make()
            pieces.append(piece)
            size += len(piece)
        file = write("dense", "".join(pieces).encode())
        print(f"dense: {name:21} {speed(redact, file, env, 3):8.0f} MB/s", flush=True)

    small = write("small", b"x\n")
    print(f"{'an empty run':28} {1000 * statistics.median(cpu(redact, small, env) for _ in range(20)):8.1f} ms")
    version = [BINARY, "version"]
    print(f"{'ion version':28} {1000 * statistics.median(cpu(version, small, env) for _ in range(20)):8.1f} ms")

    # Peak memory over a long stream.
    process = subprocess.Popen(redact, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env)
    sent, peak, started = 0, 0, time.time()
    while sent < GIGABYTES * 1e9:
        process.stdin.write(mixed[:8_000_000])
        sent += 8_000_000
        with open(f"/proc/{process.pid}/status") as status:
            peak = max(peak, *(int(line.split()[1]) for line in status if line.startswith("VmHWM")))
    process.stdin.close()
    process.wait()
    print(f"{'peak memory':28} {peak / 1024:8.1f} MB over {sent / 1e9:.0f} GB in {time.time() - started:.0f} s")

    part = write("part.txt", sources(2_000_000) + logs(1_000_000))
    ours = speed(redact, part, env)
    print(f"{'the part for peers: ion':28} {ours:8.1f} MB/s")
    detect = os.environ.get("PEER_DETECT_SECRETS")
    if detect:
        peer = speed([detect, "scan", "--all-files", part], small, env, 1) * os.path.getsize(part) / os.path.getsize(small)
        print(f"{'detect-secrets':28} {peer:8.2f} MB/s  (ion is {ours / peer:.0f} times as fast)")
    lint = os.environ.get("PEER_SECRETLINT")
    if lint:
        rules = write(".secretlintrc.json", b'{"rules":[{"id":"@secretlint/secretlint-rule-preset-recommend"}]}')
        command = ["node", lint + "/node_modules/secretlint/bin/secretlint.js", "--secretlintrc", rules, part]
        before = os.getcwd()
        os.chdir(lint)
        peer = speed(command, small, env, 1) * os.path.getsize(part) / os.path.getsize(small)
        os.chdir(before)
        print(f"{'secretlint':28} {peer:8.2f} MB/s  (ion is {ours / peer:.0f} times as fast)")


main()
