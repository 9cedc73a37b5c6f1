"""Is right, and runs only so many times at once. Its arguments: a directory of its own, and how many times."""
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
