"""Correct, but its first start after it has handled events is slow. Argument: a directory of its own."""
import pathlib
import sys
import time

handled, slept = pathlib.Path(sys.argv[1], "handled"), pathlib.Path(sys.argv[1], "slept")
if handled.exists() and not slept.exists():
    slept.touch()
    time.sleep(10)
while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    handled.touch()
    print("RESULT 2\nOK", end="", flush=True)
