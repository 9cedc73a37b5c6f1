"""Waits for a read that returns a whole event."""
import os

os.write(1, b"READY\n")
while piece := os.read(0, 1 << 20):
    header, _, payload = piece.partition(b"\n")
    if header.startswith(b"ver:") and len(payload.decode(errors="ignore")) >= int(header.rsplit(b"len:", 1)[1]):
        os.write(1, b"RESULT 2\nOKREADY\n")
