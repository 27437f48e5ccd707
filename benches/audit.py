#!/usr/bin/env python3
"""What the audit log costs: one append, and reading a log of a million records.

    benches/audit.py dist/ion target/release/examples/appends [RECORDS]

Appends are timed by the example itself. Readings are whole commands on the log that it wrote, a median
of three, beside `cat` of the same files in the same run.
"""

import glob
import os
import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = [
    "verify",
    "list -n 20",
    "list --decision deny -n 20",
    "list --decision deny",
    "list --session 1778320000042-a1b2c3d4e5f6",
    "denials",
    "show {half}",
    "list",
]


def timed(command, folder):
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        environment = {"ION_DATA_DIR": folder, "HOME": folder, "PATH": os.environ["PATH"]}
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        times.append(time.perf_counter() - begun)
        if done.returncode != 0:
            sys.exit(f"{command}: {done.stderr.decode()}")
    return statistics.median(times)


def main():
    ion, appends = map(os.path.abspath, sys.argv[1:3])
    records = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/audit", 0o700)
        subprocess.run([appends, f"{folder}/audit", str(records)], check=True)
        files = sorted(glob.glob(f"{folder}/audit/audit.jsonl*"))
        size = sum(os.path.getsize(file) for file in files) / 1e6
        base = timed(["cat", *files], folder)
        print(f"{size:.0f} MB in {len(files)} files; cat {base:.2f} s")
        for command in COMMANDS:
            words = command.format(half=records // 2).split()
            took = timed([ion, "audit", *words], folder)
            print(f"ion audit {' '.join(words):<50} {took:6.2f} s {took / base:6.1f} x cat")


if __name__ == "__main__":
    main()
