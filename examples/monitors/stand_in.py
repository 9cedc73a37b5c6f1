"""Simulates a process of a trading system: it runs until its input ends, and misbehaves on request."""

import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import sys
import threading
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--signal", action="append", default=[], help="a message for supervisord's listeners, every 5 s")
parser.add_argument("--leak", type=float, default=0, help="MB that are lost each second")
parser.add_argument("--serve", type=int, metavar="PORT", help="take connections, as an exchange that has positions")
parser.add_argument("--prices", metavar="FILE", help="keep the prices of the last minute there")
parser.add_argument("--positions", metavar="FILE", help="keep positions there")
parser.add_argument("--state", metavar="FILE", help="keep what is known there, every second")
parser.add_argument("--directory", type=pathlib.Path, default=pathlib.Path(), metavar="DIRECTORY",
                    help="where the files exchange_is_slow, exchange_positions and market_is_wild make the exchange so")
parser.add_argument("--crash-after", type=float, help="seconds")
parser.add_argument("--fail-if", metavar="FILE", help="fail as long as this file is there")
parser.add_argument("--ignore-term", action="store_true", help="hang at SIGTERM")
parser.add_argument("--say", metavar="FILE", help="send what is written to this file as a message")
arguments = parser.parse_args()

if arguments.fail_if and os.path.exists(arguments.fail_if):
    sys.exit("told to fail")
if arguments.ignore_term:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


POSITIONS = {"BTC": 0.25}


def keep(path, value):
    path = pathlib.Path(path)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value))
    part.rename(path)


def answer(client):
    # A client that only checks whether the port is open sends nothing.
    with client, contextlib.suppress(OSError):
        client.settimeout(5)
        if client.recv(1024).startswith(b"positions"):
            other = arguments.directory / "exchange_positions"
            client.sendall((other.read_text() if other.exists() else json.dumps(POSITIONS)).encode() + b"\n")
            return
        if (arguments.directory / "exchange_is_slow").exists():
            time.sleep(1)
        client.sendall(b"done\n")


def serve():
    server = socket.create_server(("127.0.0.1", arguments.serve))
    while True:
        threading.Thread(target=answer, args=[server.accept()[0]], daemon=True).start()


def misbehave():
    begin = time.monotonic()
    lost, prices, pids = [], [100.0], [os.getpid()]
    if arguments.state and os.path.exists(arguments.state):
        # Continues with the state from before a crash.
        pids = [*json.loads(pathlib.Path(arguments.state).read_text())["pids"], *pids][-10:]
    if arguments.positions:
        keep(arguments.positions, POSITIONS)
    for second in range(10**9):
        if second % 5 == 0:
            for message in arguments.signal:
                print(f"<!--XSUPERVISOR:BEGIN-->{message}<!--XSUPERVISOR:END-->", flush=True)
        if arguments.state:
            keep(arguments.state, {"pids": pids, "second": second})
        if arguments.prices:
            step = 0.05 if (arguments.directory / "market_is_wild").exists() else 0.0001
            prices = [*prices, prices[-1] * (1 + random.uniform(-step, step))][-60:]
            keep(arguments.prices, prices)
        lost.append(os.urandom(int(arguments.leak * 2**20)))
        if arguments.crash_after and time.monotonic() - begin > arguments.crash_after:
            os._exit(3)
        time.sleep(1)


def obey():
    """Does what files tell, as soon as they are there."""
    while True:
        if arguments.fail_if and os.path.exists(arguments.fail_if):
            print("told to fail", file=sys.stderr, flush=True)
            os._exit(1)
        if arguments.say and os.path.exists(arguments.say):
            message = open(arguments.say).read().strip()
            # A shell has created the file but not written to it yet.
            if message:
                os.remove(arguments.say)
                print(f"<!--XSUPERVISOR:BEGIN-->{message}<!--XSUPERVISOR:END-->", flush=True)
        time.sleep(0.2)


for task in [serve] * bool(arguments.serve) + [obey, misbehave]:
    threading.Thread(target=task, daemon=True).start()
# End of input: supervisord is gone.
while sys.stdin.buffer.read1():
    pass
