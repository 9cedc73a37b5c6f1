"""Exits at a payload of more than one line."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    if "\n" in payload.strip("\n"):
        sys.exit(f"what is this? {payload}")
    print("RESULT 2\nOK", end="", flush=True)
