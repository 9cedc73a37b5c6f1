"""Hangs at an event of an unknown type."""
import os
import signal
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    if "SOMETHING_NEW" in header:
        print("pid", os.getpid(), file=sys.stderr, flush=True)
        signal.pause()
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOK", end="", flush=True)
