"""Prints a banner before READY."""
import sys

print("listener 1.0")
while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOK", end="", flush=True)
