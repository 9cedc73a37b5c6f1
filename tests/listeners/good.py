"""A correct listener."""
import sys

read, write = sys.stdin.buffer, sys.stdout.buffer


def say(data):
    write.write(data)
    write.flush()


def read_exactly(count):
    data = read.read(count)
    return data if len(data) == count else sys.exit("the input ends inside a payload")


def read_text(length):
    """Reads this many UTF-8 characters, and not a byte more: each missing one has at least one byte."""
    text = b""
    while missing := length - len(text.decode(errors="ignore")):
        text += read_exactly(missing)
    return text


while True:
    say(b"READY\n")
    header = read.readline()
    if not header:
        break
    if not header.endswith(b"\n"):
        sys.exit("the input ends inside a header")
    payload = read_text(int(header.rpartition(b"len:")[2]))
    say(b"RESULT 2\nOK")
