"""Measures listeners under a real supervisord, for `benches/programs`: NAME=COMMAND...

In each round, every listener in turn gets a supervisord of its own, whose debug log tells what it made of each answer. Each
round begins with another listener.

* start to READY: from the log's entry that supervisord has forked to the one that READY has come. A mean, since the log
  has whole milliseconds, of the faster half of STARTS starts: other programs delay the rest;
* CPU time per event: all threads, in user mode and in the kernel, over EVENTS events, after some to warm up;
* memory: the peak of what was resident, after those events.

Once at the end, events that double in size, from 1 KiB to LARGEST_MIB, find the largest one that each listener answers,
and the memory that it takes.
"""

import glob
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from datetime import datetime

from supervisor.xmlrpc import SupervisorTransport

ROUNDS = int(os.environ.get("ROUNDS", 5))
EVENTS = int(os.environ.get("EVENTS", 20000))
STARTS = int(os.environ.get("STARTS", 20))
LARGEST = int(os.environ.get("LARGEST_MIB", 64)) * 2**20

# What most events look like; with the line `type:bench` before it, 81 characters.
DATA = "processname:worker groupname:worker from_state:RUNNING expected:0 pid:2"
# A listener that has neither answered nor used any CPU time for so many seconds waits for what will not come.
STUCK = 10

CONFIGURATION = """
[supervisord]
nodaemon = true
silent = true
loglevel = debug
logfile = %(here)s/log
logfile_maxbytes = 0
pidfile = %(here)s/pid
[unix_http_server]
file = %(here)s/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[eventlistener:listener]
command = COMMAND
events = REMOTE_COMMUNICATION
buffer_size = 1000000
startsecs = 0
autorestart = false
stdout_logfile = NONE
stderr_logfile = NONE
"""


class Supervisord:
    """A supervisord with one listener, and what its log has told so far."""

    def __init__(self, command):
        self.starts, self.processed, self.failure = [], 0, None
        self.directory = tempfile.TemporaryDirectory()
        path = self.directory.name
        with open(f"{path}/supervisord.conf", "w") as configuration:
            configuration.write(CONFIGURATION.replace("COMMAND", command.replace("%", "%%")))
        self.log, self.unfinished = open(f"{path}/log", "w+b"), b""
        self.process = subprocess.Popen([sys.executable, "-m", "supervisor.supervisord", "-c", configuration.name])
        transport = SupervisorTransport(serverurl=f"unix://{path}/socket")
        self.server = xmlrpc.client.ServerProxy("http://localhost", transport)
        self.wait(lambda: self.starts)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()
        self.directory.cleanup()

    def read_log(self):
        *lines, self.unfinished = (self.unfinished + self.log.read()).split(b"\n")
        for line in lines:
            # 2026-11-28 01:59:14,621 DEBG listener: ACKNOWLEDGED -> READY
            moment, message = line[:23], line[29:]
            if message.startswith(b"spawned: "):
                self.spawned = seconds(moment)
            elif message == b"listener: ACKNOWLEDGED -> READY":
                if self.spawned:
                    self.starts.append(seconds(moment) - self.spawned)
                self.spawned = None
            elif message == b"listener: event was processed":
                self.processed += 1
            elif message.startswith(b"exited: listener"):
                self.failure = "exits"
            elif message.endswith(b"-> UNKNOWN"):
                self.failure = "breaks the protocol"

    def wait(self, condition):
        """Until the condition is met, or the listener has failed."""
        self.read_log()
        while not condition() and not self.failure:
            if self.process.poll() is not None:
                sys.exit("supervisord has ended")
            time.sleep(0.01)
            self.read_log()

    def restart(self):
        starts = len(self.starts)
        self.server.supervisor.stopProcess("listener")
        self.server.supervisor.startProcess("listener", False)
        self.wait(lambda: len(self.starts) > starts)

    def pid(self):
        return self.server.supervisor.getProcessInfo("listener")["pid"]

    def send(self, count):
        """Queues events, 100 in a call, and waits until all are answered."""
        expected = self.processed + count
        for first in range(0, count, 100):
            events = xmlrpc.client.MultiCall(self.server)
            for _ in range(first, min(first + 100, count)):
                events.supervisor.sendRemoteCommEvent("bench", DATA)
            events()
        self.wait(lambda: self.processed == expected)

    def answers(self, size):
        """Whether the listener answers an event of this size."""
        expected, pid = self.processed + 1, self.pid()
        self.server.supervisor.sendRemoteCommEvent("bench", "x" * size)
        used, since = cpu_seconds(pid), time.monotonic()

        def answered_or_stuck():
            nonlocal used, since
            before, used = used, cpu_seconds(pid)
            if used != before:
                since = time.monotonic()
            elif time.monotonic() - since > STUCK:
                self.failure = "waits for more"
            return self.processed == expected

        self.wait(answered_or_stuck)
        return not self.failure


def seconds(moment):
    return datetime.strptime(moment.decode(), "%Y-%m-%d %H:%M:%S,%f").timestamp()


def cpu_seconds(pid):
    """What the scheduler has counted for all threads: nanoseconds, where `stat` has hundredths of a second."""
    return sum(int(open(path).read().split()[0]) for path in glob.glob(f"/proc/{pid}/task/*/schedstat")) / 1e9


def peak_kib(pid):
    return int(open(f"/proc/{pid}/status").read().split("VmHWM:")[1].split()[0])


def measure(command):
    """Milliseconds to READY, microseconds of CPU time per event, KiB of memory."""
    with Supervisord(command) as supervisord:
        while len(supervisord.starts) < STARTS:
            supervisord.restart()
        pid = supervisord.pid()
        supervisord.send(EVENTS // 10)
        before = cpu_seconds(pid)
        supervisord.send(EVENTS)
        spent = cpu_seconds(pid) - before
        assert supervisord.processed == EVENTS // 10 + EVENTS, supervisord.failure
        faster_half = sorted(supervisord.starts)[: STARTS // 2]
        return statistics.mean(faster_half) * 1e3, spent / EVENTS * 1e6, peak_kib(pid)


def largest(command):
    """The largest payload that is answered, what comes of one of twice the size, if that was tried, and KiB of memory."""
    with Supervisord(command) as supervisord:
        pid, size, memory = supervisord.pid(), 1024, 0
        while size <= LARGEST and supervisord.answers(size):
            memory = peak_kib(pid)
            size *= 2
        return size // 2, supervisord.failure, memory


def in_bytes(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def cell(values, digits):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main(listeners):
    figures = {name: [] for name in listeners}
    for number in range(ROUNDS):
        first = number % len(listeners)
        for name in [*listeners][first:] + [*listeners][:first]:
            print(f"round {number + 1} of {ROUNDS}: {name}", file=sys.stderr)
            figures[name].append(measure(listeners[name]))
    print("| listener | start to READY, ms | CPU time per event, µs | memory, KiB | largest event | memory after it, KiB |")
    print("|---|---|---|---|---|---|")
    for name, command in listeners.items():
        print(f"largest event: {name}", file=sys.stderr)
        starts, events, memory = zip(*figures[name])
        size, failure, then = largest(command)
        end = f"{in_bytes(size)}; with {in_bytes(size * 2)}, it {failure}" if failure else f"{in_bytes(size)} or more"
        print(f"| {name} | {cell(starts, 1)} | {cell(events, 1)} | {cell(memory, 0)} | {end} | {then} |", flush=True)


main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
