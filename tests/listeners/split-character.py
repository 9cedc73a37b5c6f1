"""Decodes each read on its own."""
import os

buffer = ""
os.write(1, b"READY\n")
while piece := os.read(0, 1 << 20):
    buffer += piece.decode()
    header, newline, payload = buffer.partition("\n")
    if newline and len(payload) >= int(header.rsplit(":", 1)[1]):
        buffer = ""
        os.write(1, b"RESULT 2\nOKREADY\n")
