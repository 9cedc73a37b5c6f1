"""Correct, but only a limited number can run at once. Arguments: a directory of its own, and that number."""
import fcntl
import pathlib
import sys


def has_place(number):
    """Holds a lock until it ends, as others hold a port."""
    global lock
    lock = pathlib.Path(sys.argv[1], str(number)).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if not any(map(has_place, range(int(sys.argv[2])))):
    sys.exit("Address already in use")
while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    payload = sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOK", end="", flush=True)
