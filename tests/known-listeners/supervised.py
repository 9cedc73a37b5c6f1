"""What becomes of a listener under a real supervisord, with names that are usual and names that are not."""

import os
import shlex
import subprocess
import time
import xmlrpc.client

from supervisor.xmlrpc import SupervisorTransport

# In each case one thing is odd: the identifier, or what the process's name has in its middle. It writes a line that is
# not ASCII, and exits with code 3.
CASES = {
    "usual names": ("supervisor", "-"),
    "a space in the identifier": ("my own supervisor", "-"),
    "a colon in the identifier": ("host:9001", "-"),
    "a space in a process's name": ("supervisor", " "),
    "a colon in a process's name": ("supervisor", ":"),
    "an umlaut in a process's name": ("supervisor", "ü"),
}

CONFIGURATION = """\
[supervisord]
nodaemon = true
identifier = {identifier}
directory = {directory}
logfile = {directory}/supervisord.log
logfile_maxbytes = 0
loglevel = debug
pidfile = {directory}/supervisord.pid
childlogdir = {directory}
user = {user}

[unix_http_server]
file = {directory}/socket

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

; What listeners may restart.
[program:idle]
command = sleep 1000000

[program:odd]
command = sh -c 'echo äöü; exit 3'
process_name = odd%(ENV_GAP)sname
autostart = false
autorestart = false
startsecs = 0
stdout_events_enabled = true
"""

LISTENER = """
[eventlistener:subject]
command = {command}
environment = {environment}
events = {events}
result_handler = {result_handler}
autorestart = true
startsecs = 0
buffer_size = 100
stderr_logfile = {directory}/stderr
"""

# Seconds. A machine may be busy with other work.
LONGEST = 60


class Supervisord:
    """A supervisord of its own, in a directory of its own."""

    def __init__(self, python, directory, identifier="supervisor", gap="-", listener="", path=""):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        self.log = f"{directory}/supervisord.log"
        configuration = f"{directory}/supervisord.conf"
        text = CONFIGURATION.format(identifier=identifier, directory=directory, user=os.getuid())
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(text + listener)
        self.url = f"unix://{directory}/socket"
        self.configuration = configuration
        command = [python, "-m", "supervisor.supervisord", "-c", configuration]
        with open(f"{directory}/output", "w") as output:
            environment = {**os.environ, "GAP": gap, "LC_ALL": "C.UTF-8", "PYTHONPATH": path}
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def calls(self):
        transport = SupervisorTransport(None, None, self.url)
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def said(self):
        try:
            with open(self.log, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait(self, is_so):
        """Waits until that is so of the log. False: it never was."""
        until = time.monotonic() + LONGEST
        while time.monotonic() < until and self.process.poll() is None:
            if is_so(self.said()):
                return True
            time.sleep(0.1)
        return is_so(self.said())

    def __enter__(self):
        if not self.wait(lambda log: "supervisord started with pid" in log) or self.process.poll() is not None:
            with open(f"{self.directory}/output") as output:
                raise RuntimeError(f"supervisord does not start: {output.read()}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def quoted(environment):
    return ",".join(f'{name}="{value}"' for name, value in environment.items()).replace("%", "%%")


def outcome(python, directory, identifier, gap, command, environment, events, result_handler):
    """One word for what became of the listener, and what supervisord's log says."""
    # Nobody waits an hour here.
    events = events.replace("TICK_3600", "TICK_5").replace("TICK_60", "TICK_5")
    listener = LISTENER.format(
        command=shlex.join(command).replace("%", "%%"),
        environment=quoted(environment),
        events=events,
        result_handler=result_handler or "supervisor.dispatchers:default_handler",
        directory=directory,
    )
    # A result handler is loaded by supervisord itself.
    path = environment["PYTHONPATH"] if result_handler else ""
    with Supervisord(python, directory, identifier, gap, listener, path) as supervisord:
        if not supervisord.wait(lambda log: "subject: ACKNOWLEDGED -> READY" in log):
            return "is never READY"
        supervisord.calls().startProcess("odd:*", False)
        if not supervisord.wait(lambda log: f"exited: odd{gap}name" in log):
            raise RuntimeError("the odd process has not run")
        ended = time.monotonic()
        supervisord.wait(lambda log: is_decided(log, time.monotonic() - ended))
        return judged(supervisord.said())


def is_decided(log, seconds):
    became = judged(log)
    if became == "goes on":
        # It need not be busy with the first event that follows: a tick comes every five seconds.
        return seconds > 7
    # One that ends is started again: once could be chance.
    return became != "waits" and (became != "ends" or log.count("exited: subject") > 2)


def judged(log):
    if "subject: has entered the UNKNOWN state" in log:
        return "is UNKNOWN"
    if "exited: subject" in log:
        return "ends"
    if log.count("subject: event was rejected") > 20:
        return "rejects"
    sent, processed = log.count("sent to listener subject"), log.count("subject: event was processed")
    return "goes on" if sent == processed > 0 else "waits"
