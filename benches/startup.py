#!/usr/bin/env python3
"""Cold start, one prompt with one sandboxed shell call, peak memory, binary size.

Usage: benches/startup.py [BINARY] [RUNS]

Everything is measured from outside, in one run, beside a bare spawn of the same shell command,
because single times say little on a shared machine: compare medians and ratios. The model is a
loopback server in this process that answers at once in the Anthropic Messages format. Peak memory
is the largest sum of the resident sizes of ion and everything below it, sampled about every half
millisecond; shared pages are counted once per process, so it errs on the high side. PSS, which
counts them once in all, is given beside it.
"""
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BINARY = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/ion")
RUNS = int(sys.argv[2]) if len(sys.argv) > 2 else 40
COMMAND = "echo hello"


def sse(event, data):
    return f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()


def answer(with_call):
    out = sse("message_start", {"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m",
        "usage": {"input_tokens": 10, "output_tokens": 1}}})
    if with_call:
        out += sse("content_block_start", {"type": "content_block_start", "index": 0,
                   "content_block": {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}})
        out += sse("content_block_delta", {"type": "content_block_delta", "index": 0,
                   "delta": {"type": "input_json_delta", "partial_json": json.dumps({"command": COMMAND})}})
    else:
        out += sse("content_block_start", {"type": "content_block_start", "index": 0,
                   "content_block": {"type": "text", "text": ""}})
        out += sse("content_block_delta", {"type": "content_block_delta", "index": 0,
                   "delta": {"type": "text_delta", "text": "It said hello."}})
    out += sse("content_block_stop", {"type": "content_block_stop", "index": 0})
    out += sse("message_delta", {"type": "message_delta",
               "delta": {"stop_reason": "tool_use" if with_call else "end_turn"},
               "usage": {"output_tokens": 5}})
    return out + sse("message_stop", {"type": "message_stop"})


class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last = body["messages"][-1]["content"]
        answered = isinstance(last, list) and any(b.get("type") == "tool_result" for b in last)
        data = answer(with_call=not answered)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def run(argv, env=None, cwd=None):
    began = time.perf_counter()
    done = subprocess.run(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return (time.perf_counter() - began) * 1000, done


def tree(pid):
    pids, found = [pid], []
    while pids:
        pid = pids.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as children:
                    pids.extend(int(child) for child in children.read().split())
        except OSError:
            pass
    return found


def field(path, key):
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(key):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def peak_memory(argv, env, cwd):
    process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rss = pss = most = 0
    while process.poll() is None:
        pids = tree(process.pid)
        most = max(most, len(pids))
        rss = max(rss, sum(field(f"/proc/{pid}/status", "VmRSS:") for pid in pids))
        pss = max(pss, sum(field(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids))
        time.sleep(0.0003)
    return rss / 1024, pss / 1024, most


def medians(rows):
    return {name: statistics.median(times) for name, times in rows.items()}


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        home, work = os.path.join(folder, "home"), os.path.join(folder, "work")
        os.makedirs(os.path.join(home, ".ion"))
        os.makedirs(work)
        with open(os.path.join(home, ".ion", "engine.json"), "w") as file:
            json.dump({"defaultModel": "claude-sonnet-4-6", "providers": {"anthropic": {
                "apiKey": "not-a-key", "baseURL": f"http://127.0.0.1:{server.server_port}"}}}, file)
        env = {"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin"}
        prompt = [BINARY, "prompt", "Say hello with the shell"]
        check = [BINARY, "policy", "check", "--tool", "Bash", "--command", "git status", "--json"]
        cases = {
            "bare spawn: bash -c": ["bash", "-c", COMMAND],
            "ion --version": [BINARY, "--version"],
            "ion policy check": check,
            "ion prompt, one sandboxed call": prompt,
        }
        times = {name: [] for name in cases}
        for argv in cases.values():
            run(argv, env, work)
        for _ in range(RUNS):
            for name, argv in cases.items():
                elapsed, done = run(argv, env, work)
                if done.returncode != 0:
                    sys.exit(f"{name}: exit {done.returncode}\n{done.stderr.decode()}")
                times[name].append(elapsed)
        middle = medians(times)
        bare = middle["bare spawn: bash -c"]
        print(f"{RUNS} runs of each, in turn; milliseconds")
        print(f"{'':34}{'min':>8}{'median':>8}{'max':>8}{'x bare':>8}")
        for name, values in times.items():
            print(f"{name:34}{min(values):8.2f}{middle[name]:8.2f}{max(values):8.2f}"
                  f"{middle[name] / bare:8.1f}")
        samples = [peak_memory(prompt, env, work) for _ in range(max(5, RUNS // 4))]
        rss, pss, most = (statistics.median(column) for column in zip(*samples))
        print(f"peak of the whole process tree: {rss:.1f} MB resident, {pss:.1f} MB PSS, "
              f"{most:.0f} processes (medians of {len(samples)})")
    print(f"binary: {os.path.getsize(BINARY) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
