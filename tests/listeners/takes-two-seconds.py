"""Correct, but slow."""
import sys
import time

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    time.sleep(2)
    print("RESULT 2\nOK", end="", flush=True)
