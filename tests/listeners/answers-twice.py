"""Answers twice, in one write."""
import sys

print("READY", flush=True)
while True:
    header = sys.stdin.readline() or sys.exit()
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOKREADY\n" * 2, end="", flush=True)
