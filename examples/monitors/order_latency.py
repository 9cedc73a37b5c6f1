"""A simple check of the latency of orders, run by `--on-tick` of heartbeat_monitor.

Sends an empty order to the exchange, and measures the time until it is confirmed.
"""

import os
import socket
import sys
import time

LIMIT = 0.5

begin = time.monotonic()
try:
    with socket.create_connection(("127.0.0.1", int(os.environ["FEED_PORT"])), timeout=4) as exchange:
        exchange.sendall(b"order 0\n")
        exchange.recv(1024)
except OSError as error:
    sys.exit(f"the exchange does not take orders: {error}")
latency = time.monotonic() - begin
if latency > LIMIT:
    print(f"ALERT:HIGH:ORDER_LATENCY:{1000 * latency:.0f} ms, more than {1000 * LIMIT:.0f}")
