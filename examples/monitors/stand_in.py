"""Stands in for a process of a trading system: it runs until its input ends, and misbehaves as it is told to."""

import argparse
import os
import signal
import socket
import sys
import threading
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--signal", action="append", default=[], help="a message for supervisord's listeners, every 5 s")
parser.add_argument("--leak", type=float, default=0, help="MB that are lost each second")
parser.add_argument("--serve", type=int, metavar="PORT", help="take connections")
parser.add_argument("--crash-after", type=float, help="seconds")
parser.add_argument("--fail-if", metavar="FILE", help="fail at once if this file is there")
parser.add_argument("--ignore-term", action="store_true", help="hang at SIGTERM")
arguments = parser.parse_args()

if arguments.fail_if and os.path.exists(arguments.fail_if):
    sys.exit("told to fail")
if arguments.ignore_term:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def serve():
    server = socket.create_server(("127.0.0.1", arguments.serve))
    while True:
        server.accept()[0].close()


def misbehave():
    begin = time.monotonic()
    lost = []
    for second in range(10**9):
        if second % 5 == 0:
            for message in arguments.signal:
                print(f"<!--XSUPERVISOR:BEGIN-->{message}<!--XSUPERVISOR:END-->", flush=True)
        lost.append(os.urandom(int(arguments.leak * 2**20)))
        if arguments.crash_after and time.monotonic() - begin > arguments.crash_after:
            os._exit(3)
        time.sleep(1)


for task in [serve] * bool(arguments.serve) + [misbehave]:
    threading.Thread(target=task, daemon=True).start()
# The end of input: supervisord is no more.
while sys.stdin.buffer.read1():
    pass
