"""Takes the result of one read for a whole event."""
import os
import sys

os.write(1, b"READY\n")
while piece := os.read(0, 1 << 20):
    header, _, payload = piece.partition(b"\n")
    if len(payload.decode()) != int(header.rsplit(b"len:", 1)[1]):
        sys.exit("where is the rest?")
    os.write(1, b"RESULT 2\nOKREADY\n")
