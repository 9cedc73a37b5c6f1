"""Splits a process's payload at every space."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    if payload.startswith("processname:"):
        dict(token.split(":", 1) for token in payload.split("\n")[0].split(" "))
    print("RESULT 2\nOK", end="", flush=True)
