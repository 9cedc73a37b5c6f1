"""Exits at an event of an unknown type."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    if not any(f":{known}_" in header for known in ("PROCESS", "TICK", "SUPERVISOR", "REMOTE")):
        sys.exit(f"what is this? {header}")
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOK", end="", flush=True)
