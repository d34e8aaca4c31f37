#!/usr/bin/env python3
"""Runs one table of etcdctl commands with several clients against two servers and compares what they print.

  sides.py --reference ETCD --server ETCD --etcdutl ETCDUTL --client NAME=PATH [--client ...] [--port P] [--dir D]

For each client, its output and exit code on --server must equal those on --reference. What must differ (identifiers,
times, sizes, terms) is masked; what may differ stands in allowed.txt with its reason. Exit code 1 if anything else
differs, or if nothing differs any more where a rule of allowed.txt says so.
"""

import argparse
import difflib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
COMMAND_SECONDS_MAX = 20
READY_SECONDS_MAX = 60
SHOWN_MAX = 100

MASKS = [
    # A line of the Go client's own log: not part of the contract.
    (re.compile(rb'^\{"level".*"logger":"etcd-client".*\n', re.M), b""),
    (re.compile(rb'^\{"level".*(unrecognized environment|retrying).*\n', re.M), b""),
    (re.compile(rb'"ts":"?[^",}]*"?'), b'"ts":TS'),
    (re.compile(rb'"caller":"[^"]*"'), b'"caller":C'),
    (re.compile(rb'\b\d+(\.\d+)?(\xc2\xb5s|ms|ns|s)\b'), b"TIME"),
    (re.compile(rb'"took":("[^"]*"|[0-9.]+)'), b'"took":TIME'),
    (re.compile(rb'took (less than a second|\S+ seconds? ago|now)'), b"took TIME"),
    (re.compile(rb'(remaining\()\d+s'), rb"\1TIME"),
    (re.compile(rb'("(?:raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|totalSize|hash)":)\d+'), rb"\1N"),
    (re.compile(rb'("(?:RaftTerm|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse)" : )\d+'), rb"\1N"),
    # An identifier with a leading zero is padded with a space.
    (re.compile(rb' *\b[0-9a-f]{13,16}\b'), b" HEX"),
    (re.compile(rb'\b\d{15,20}\b'), b"ID"),
    (re.compile(rb'\b\d+(\.\d+)? [kMG]?B\b'), b"SIZE"),
    (re.compile(rb'\b\d+%'), b"PCT"),
    (re.compile(rb'(memberID:)\d+\s+'), rb"\1ID "),
]
# Tables and the simple form of endpoint status: the three raft numbers stand between two booleans and the errors.
STATUS = re.compile(rb'((?:true|false), (?:true|false), )\d+, \d+, \d+(,|$)', re.M)
TABLE = re.compile(rb'((?:true|false) +\S+ +(?:true|false) +\S+) +\d+ +(\S+) +\d+ +(\S+) +\d+')


class Server:
    def __init__(self, binary, directory, port):
        self.data = os.path.join(directory, "data")
        shutil.rmtree(self.data, ignore_errors=True)
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
        self.log = open(os.path.join(directory, "server.log"), "ab")
        self.process = subprocess.Popen(
            [binary, "--name", "ctl", "--data-dir", self.data, "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", peer,
             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"ctl={peer}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        begun = time.monotonic()
        while True:
            try:
                with urllib.request.urlopen(client + "/health", timeout=5) as answer:
                    if b'"true"' in answer.read():
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() - begun > READY_SECONDS_MAX:
                self.stop()
                sys.exit(f"sides: {binary} does not become healthy, see {self.log.name}")
            time.sleep(0.02)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Run:
    """One client on one server: a text for each command."""

    def __init__(self, client, etcdutl, directory, port):
        self.scratch = os.path.join(directory, "scratch")
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)
        self.client, self.etcdutl, self.port = client, etcdutl, port
        self.background = {}

    def arguments(self, text):
        text = text.replace("$T", self.scratch)
        words = shlex.split(text)
        if words and words[0] == "$U":
            return [self.etcdutl] + words[1:]
        endpoint = [] if any(word.startswith("--endpoints") for word in words) else [
            f"--endpoints=127.0.0.1:{self.port}"]
        return [self.client] + endpoint + words

    def environment(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCD")}
        return environment | {"TZ": "UTC"}

    def command(self, line):
        if line.startswith("&start "):
            _, name, rest = line.split(" ", 2)
            words, given = self.split(rest)
            path = os.path.join(self.scratch, name + ".out")
            with open(path, "wb") as out:
                process = subprocess.Popen(self.arguments(words), stdin=subprocess.PIPE, stdout=out, stderr=out,
                                           env=self.environment())
            process.stdin.write(given)
            process.stdin.flush()
            self.background[name] = (process, path)
            return b""
        if line.startswith("&lines "):
            _, name, count = line.split(" ")
            return self.lines(name, int(count))
        words, given = self.split(line)
        try:
            done = subprocess.run(self.arguments(words), input=given, capture_output=True,
                                  env=self.environment(), timeout=COMMAND_SECONDS_MAX, check=False)
        except subprocess.TimeoutExpired:
            return b"does not end\n"
        out = without_header(done.stdout) if "protobuf" in line else done.stdout
        if line.startswith("$U"):
            # The reference's own tool: its log and the file's checksum are no answers of a server.
            return self.mask(re.sub(rb"^[0-9a-f]{1,8}, ", b"", out)) + b"--- exit %d\n" % done.returncode
        out = self.mask(out)
        if line.startswith("member"):
            out = ordered(out)
        return out + b"--- stderr\n" + self.mask(done.stderr) + b"--- exit %d\n" % done.returncode

    def lines(self, name, count):
        process, path = self.background.pop(name)
        begun = time.monotonic()
        while time.monotonic() - begun < COMMAND_SECONDS_MAX and process.poll() is None:
            with open(path, "rb") as out:
                if out.read().count(b"\n") >= count:
                    break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()
        with open(path, "rb") as out:
            return self.mask(out.read())

    @staticmethod
    def split(line):
        words, _, given = line.partition(" <<< ")
        return words, given.replace("\\n", "\n").replace("\\t", "\t").encode()

    def mask(self, text):
        text = text.replace(self.scratch.encode(), b"$T")
        for pattern, replacement in MASKS:
            text = pattern.sub(replacement, text)
        text = STATUS.sub(rb"\1N, N, N\2", text)
        text = TABLE.sub(rb"\1 N \2 N \3 N", text)
        return re.sub(rb" +", b" ", text) if b"\xe2\x94\x82" in text or b"+--" in text else text

    def end(self):
        for process, _ in self.background.values():
            process.kill()
            process.wait()


def ordered(text):
    """Members stand in the order of their IDs, which contain the time: by line here, and within the initial cluster."""
    lines = []
    for line in text.splitlines(keepends=True):
        found = re.fullmatch(rb'(ETCD_INITIAL_CLUSTER=")(.*)("\n)', line)
        lines.append(found[1] + b",".join(sorted(found[2].split(b","))) + found[3] if found else line)
    return b"".join(sorted(lines))


def without_header(message):
    """A protobuf message without its first field, the header, in hexadecimal: its identifiers differ."""
    if message[:1] == b"\x0a" and len(message) > 1 and message[1] < 128:
        message = message[2 + message[1]:]
    return message.hex().encode() + b"\n"


def commands():
    with open(os.path.join(HERE, "commands.txt"), encoding="utf-8") as table:
        return [line.rstrip("\n") for line in table if line.strip() and not line.startswith("#")]


class Rule:
    """A line of allowed.txt."""

    def __init__(self, line):
        command, output, self.reason = line.split("\t")
        self.command, self.output, self.used = re.compile(command), re.compile(output.encode()), False

    def excuses(self, command, ours):
        return self.command.fullmatch(command) and any(self.output.search(line) for line in ours.splitlines())


def allowed():
    with open(os.path.join(HERE, "allowed.txt"), encoding="utf-8") as table:
        return [Rule(line.rstrip("\n")) for line in table if line.strip() and not line.startswith("#")]


def compare(name, table, rules, first, second):
    """Prints the differences of two runs; returns their number."""
    found = excused = 0
    for command, a, b in zip(table, first, second):
        if a == b:
            continue
        used = [rule for rule in rules if rule.excuses(command, b)]
        for rule in used:
            rule.used = True
        if used:
            excused += 1
            continue
        found += 1
        if found <= SHOWN_MAX:
            print(f"{name}: etcdctl {command}")
            lines = (text.decode(errors="replace").splitlines() for text in (a, b))
            for line in list(difflib.unified_diff(*lines, lineterm="", n=1))[2:]:
                print(f"  {line}")
    print(f"sides: {name}: {len(table)} commands, {found} differences, {excused} allowed")
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--etcdutl", required=True)
    parser.add_argument("--client", action="append", required=True)
    parser.add_argument("--port", type=int, default=21460)
    parser.add_argument("--dir", default="target/sides")
    options = parser.parse_args()
    directory = os.path.abspath(options.dir)
    os.makedirs(directory, exist_ok=True)
    table, rules, found = commands(), allowed(), 0
    for client in options.client:
        name, path = client.split("=", 1)
        results = []
        for binary in (options.reference, options.server):
            server = Server(binary, directory, options.port)
            run = Run(os.path.abspath(path), os.path.abspath(options.etcdutl), directory, options.port)
            try:
                results.append([run.command(command) for command in table])
            finally:
                run.end()
                server.stop()
        found += compare(name, table, rules, *results)
    for rule in rules:
        if not rule.used:
            found += 1
            print(f"sides: allowed.txt: no such difference any more, delete it: {rule.reason}")
    sys.exit(1 if found else 0)


main()
