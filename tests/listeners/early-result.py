"""Answers an event that it does not want before it has read the payload."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    if "eventname:PROCESS_STATE_" not in header:
        print("RESULT 2\nOK", end="", flush=True)
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    if "eventname:PROCESS_STATE_" in header:
        print("RESULT 2\nOK", end="", flush=True)
