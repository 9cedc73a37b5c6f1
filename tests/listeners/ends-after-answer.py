"""Handles one event, and ends."""
import sys

print("READY", flush=True)
header = sys.stdin.readline() or sys.exit()
sys.stdin.read(int(header.rsplit(":", 1)[1]))
print("RESULT 2\nOK", end="", flush=True)
