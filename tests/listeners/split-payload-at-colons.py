"""Splits a payload's tokens at every colon."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    if payload.startswith("processname:"):
        name, group = payload.split(" groupname:", 1)
        _, name = name.split(":")
    print("RESULT 2\nOK", end="", flush=True)
