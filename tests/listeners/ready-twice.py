"""Sends READY after its answer, and again before it reads."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOKREADY", flush=True)
