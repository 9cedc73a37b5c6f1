"""Reads, and says nothing."""
import sys

print("READY", flush=True)
while header := sys.stdin.readline():
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
