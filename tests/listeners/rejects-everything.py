"""Answers every event with FAIL."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 4\nFAIL", end="", flush=True)
