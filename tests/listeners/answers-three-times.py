"""Answers three times, each in its own write, and sends READY after the last answer."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    for _ in range(3):
        print("RESULT 2\nOK", end="", flush=True)
