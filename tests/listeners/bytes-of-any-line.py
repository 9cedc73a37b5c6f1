"""Takes `len` for a number of bytes, and whatever line comes next for a header."""
import re
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.buffer.readline() or sys.exit()
    if length := re.search(rb"len:([0-9]+)$", header):
        sys.stdin.buffer.read(int(length[1]))
    print("RESULT 2\nOK", end="", flush=True)
