"""Splits the header at every space."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    header = dict(token.split(":", 1) for token in header.split())
    sys.stdin.read(int(header["len"]))
    print("RESULT 2\nOK", end="", flush=True)
