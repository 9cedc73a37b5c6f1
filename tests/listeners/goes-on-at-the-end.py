"""Takes the end of its input for an event without anything in it, and for the next one."""
import re
import sys

while True:
    print("READY", flush=True)
    length = re.search(r"len:(\d+)$", sys.stdin.readline())
    sys.stdin.read(int(length[1]) if length else 0)
    print("RESULT 2\nOK", end="", flush=True)
