"""Correct, but slow at one event."""
import sys
import time

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    if "eventname:PROCESS_STATE_FATAL" in header:
        time.sleep(10)
    print("RESULT 2\nOK", end="", flush=True)
