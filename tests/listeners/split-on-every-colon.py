"""Splits a token at every colon."""
import re
import sys

while True:
    print("READY", flush=True)
    header = sys.stdin.readline() or sys.exit()
    tokens = re.findall(r"\w+:.*?(?= \w+:|\n)", header)
    header = {key: value for key, value in (token.split(":") for token in tokens)}
    sys.stdin.read(int(header["len"]))
    print("RESULT 2\nOK", end="", flush=True)
