#!/usr/bin/env python3
"""Decisions: in one process, in a batch, and from a cold start.

Usage: benches/decisions.py BINARY EXAMPLE [CORPUS.jsonl]

BINARY is `ion`, EXAMPLE the built `examples/decisions.rs`, which measures inside one process. The batch
is measured from outside, JSON in and out included, as processor time of the one process, so that other
work on the machine counts little. Lines of the batch are the typical commands of the example.
"""
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile

BINARY, EXAMPLE = (os.path.abspath(path) for path in sys.argv[1:3])
CORPUS = [os.path.abspath(path) for path in sys.argv[3:4]]
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "decisions.rs")
LINES = 16_000
RUNS = 5


def typical():
    with open(SOURCE) as file:
        block = file.read().split("const TYPICAL: &[&str] = &[")[1].split("\n];")[0]
    return [json.loads(text) for text in re.findall(r'^\s+("(?:[^"\\]|\\.)*"),$', block, re.M)]


def processor_time(argv, data, env, cwd):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, input=data, env=env, cwd=cwd, stdout=subprocess.PIPE, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, done.stdout.count(b"\n")


def main():
    subprocess.run([EXAMPLE, *CORPUS], check=True)
    commands = typical()
    calls = (json.dumps({"id": at, "tool": "Bash", "input": {"command": commands[at % len(commands)]}})
             for at in range(LINES))
    data = ("\n".join(calls) + "\n").encode()
    with tempfile.TemporaryDirectory() as folder:
        env = {"HOME": folder, "PATH": "/usr/bin:/bin"}
        rates = []
        for _ in range(RUNS):
            spent, answers = processor_time([BINARY, "policy", "check", "--batch"], data, env, folder)
            if answers != LINES:
                sys.exit(f"{answers} answers to {LINES} calls")
            rates.append(LINES / spent)
    print(f"batch, JSON in and out         {statistics.median(rates):>9.0f} decisions a second of one core "
          f"(median of {RUNS} runs of {LINES})")


if __name__ == "__main__":
    main()
