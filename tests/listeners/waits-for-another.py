"""Correct, but waits at its start until no other one is running. Argument: a directory of its own."""
import fcntl
import pathlib
import sys

lock = pathlib.Path(sys.argv[1], "lock").open("w")
fcntl.flock(lock, fcntl.LOCK_EX)
while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOK", end="", flush=True)
