"""Reads a payload up to a NUL, as C does, and waits for the rest."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    while "\0" in payload:
        payload = sys.stdin.read(1) or sys.exit()
    print("RESULT 2\nOK", end="", flush=True)
