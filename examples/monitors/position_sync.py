"""A simple check of positions, run by `--on-tick` of heartbeat_monitor.

Compares the positions at the exchange with our own book.
"""

import json
import os
import pathlib
import socket
import sys

book = pathlib.Path(os.environ["TRADING_DIR"], "positions.json")
try:
    with socket.create_connection(("127.0.0.1", int(os.environ["FEED_PORT"])), timeout=4) as exchange:
        exchange.sendall(b"positions\n")
        there = json.loads(exchange.makefile().readline())
except (OSError, ValueError) as error:
    sys.exit(f"the exchange does not say what positions there are: {error}")
here = json.loads(book.read_text()) if book.exists() else {}
for symbol in sorted(here.keys() | there.keys()):
    if here.get(symbol, 0) != there.get(symbol, 0):
        print(f"ALERT:CRITICAL:POSITION_MISMATCH:{symbol}: {here.get(symbol, 0)} here, {there.get(symbol, 0)} there")
