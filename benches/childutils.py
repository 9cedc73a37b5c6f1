"""Handles recorded events with Python's supervisor.childutils, and prints the median nanoseconds per event.

    childutils.py ROUNDS STREAM...

Per event: READY, read and split the header line, read and split the payload, RESULT. Everything is in memory.
"""

import io
import statistics
import sys
import time

from supervisor import childutils


def take_apart(payload):
    try:
        if "\n" in payload:
            return childutils.eventdata(payload)
        return childutils.get_headers(payload)
    except ValueError:
        # A name with a space or a colon: childutils cannot read it. A listener would end here; this one continues.
        return None


def handle(stream):
    # No newline translation: with it, as on the real sys.stdin, the reader loses its position at the first CR LF.
    stdin = io.TextIOWrapper(io.BytesIO(stream), encoding="utf-8", newline="\n")
    stdout = io.StringIO()
    wait, ok = childutils.listener.wait, childutils.listener.ok
    events = 0
    while True:
        try:
            headers, payload = wait(stdin, stdout)
        except KeyError:
            # The end of the input: a header without `len`.
            return events
        take_apart(payload)
        ok(stdout)
        events += 1


def main():
    rounds, paths = int(sys.argv[1]), sys.argv[2:]
    streams = []
    for path in paths:
        with open(path, "rb") as file:
            streams.append(file.read())
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        events = sum(handle(stream) for stream in streams)
        times.append((time.perf_counter_ns() - start) / events)
    print(round(statistics.median(times)), events)


main()
