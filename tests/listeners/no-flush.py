"""Does not flush its output."""
import sys

while True:
    print("READY")
    header = sys.stdin.readline() or sys.exit()
    sys.stdin.read(int(header.rsplit(":", 1)[1]))
    print("RESULT 2\nOK", end="")
