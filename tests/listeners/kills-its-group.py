"""Ends its own process group, and so itself, at FATAL."""
import os
import signal
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    if "eventname:PROCESS_STATE_FATAL" in header:
        os.killpg(0, signal.SIGTERM)
    print("RESULT 2\nOK", end="", flush=True)
