"""Handles one event, sends READY, and ends a little later."""
import sys
import time

print("READY", flush=True)
header = sys.stdin.readline() or sys.exit()
sys.stdin.read(int(header.rsplit(":", 1)[1]))
print("RESULT 2\nOKREADY", flush=True)
time.sleep(0.05)
