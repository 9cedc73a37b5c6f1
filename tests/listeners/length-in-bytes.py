"""Takes `len` for a number of bytes."""
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.buffer.readline() or sys.exit()
    sys.stdin.buffer.read(int(header.rsplit(b":", 1)[1]))
    print("RESULT 2\nOK", end="", flush=True)
