#!/usr/bin/env python3
"""What a file tool's call costs in a confined worker that waits, over the same call unconfined.

    cargo build --profile profiling --config 'profile.profiling.debug-assertions=true'
    python3 benches/pool.py target/profiling/ion

The hidden role that runs calls without a permit exists in builds with debug assertions alone. Each
backend is run in turn, several rounds; medians of the medians of 300 calls are compared, because
single times say little on a shared machine. Unconfined means the backend `none`, whose worker
waits as well: what is left is the price of the confinement.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

BACKENDS = {"none": "open", "landlock": "rules", "userns": "view", "bwrap": "view"}
PROTECT = [".git/hooks", ".vscode", ".ion", ".claude"]
CALLS, ROUNDS = 300, 3


def scene(backend, tool, workspace):
    path = os.path.join(workspace, "a.txt" if tool == "Read" else "b.txt")
    input = {"file_path": path} | ({} if tool == "Read" else {"content": "x"})
    return {
        "tool": tool, "input": input, "paths": [path], "workspace": workspace,
        "backend": backend, "requirement": BACKENDS[backend], "times": CALLS, "protect": PROTECT,
    }


def median(ion, home, scene):
    role = [ion, "__worker", "rehearse"]
    environment = {"HOME": home, "PATH": os.environ["PATH"]}
    ran = subprocess.run(role, input=json.dumps(scene), env=environment, capture_output=True, text=True)
    answer = json.loads(ran.stdout)
    if "error" in answer:
        return None
    assert answer["enforced"].get("reused", 0) > 0, "no worker was used again"
    # The first call starts the worker.
    return statistics.median(answer["elapsed_us"][1:])


def main():
    ion = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        home, workspace = os.path.join(folder, "home"), os.path.join(folder, "work")
        os.mkdir(home)
        os.mkdir(workspace)
        with open(os.path.join(workspace, "a.txt"), "w") as file:
            file.write("hello world\n")
        for tool in ["Read", "Write"]:
            found = {backend: [] for backend in BACKENDS}
            for _ in range(ROUNDS):
                for backend in BACKENDS:
                    found[backend].append(median(ion, home, scene(backend, tool, workspace)))
            base = statistics.median(found["none"])
            for backend, all in found.items():
                if None in all:
                    print(f"{tool:6} {backend:10} not available here")
                    continue
                middle = statistics.median(all)
                print(f"{tool:6} {backend:10} {middle:7.0f} us   {middle - base:+7.0f} us")


main()
