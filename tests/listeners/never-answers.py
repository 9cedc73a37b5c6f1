"""Reads events, and never answers."""
import sys

print("READY", flush=True)
while header := sys.stdin.readline():
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
