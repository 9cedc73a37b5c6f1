"""Handles ten events, sends READY once more, and ends as if all were well."""
import sys

print("READY", flush=True)
for _ in range(10):
    header = sys.stdin.readline() or sys.exit()
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOKREADY", flush=True)
