"""Accepts an event when it comes again."""
import sys

serials = set()
while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    serial = header.split(" serial:")[1].split(" ")[0]
    print("RESULT 2\nOK" if serial in serials else "RESULT 4\nFAIL", end="", flush=True)
    serials.add(serial)
