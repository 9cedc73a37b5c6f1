"""Starts a program that writes to the same output."""
import subprocess
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    subprocess.call(["echo", "a mail was sent"])
    print("RESULT 2\nOK", end="", flush=True)
