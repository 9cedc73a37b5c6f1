"""Exits at an empty payload."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    if not payload:
        sys.exit("nothing!")
    print("RESULT 2\nOK", end="", flush=True)
