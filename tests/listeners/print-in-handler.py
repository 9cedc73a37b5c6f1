"""Prints what it does."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("handling", payload)
    print("RESULT 2\nOK", end="", flush=True)
