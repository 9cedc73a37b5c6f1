"""Exits at one type of event, however many lines its payload has."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    if "eventname:REMOTE_COMMUNICATION" in header:
        sys.exit("no!")
    print("RESULT 2\nOK", end="", flush=True)
