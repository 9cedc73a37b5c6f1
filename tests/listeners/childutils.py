"""supervisor's own helper."""
from supervisor import childutils

while True:
    childutils.listener.wait()
    childutils.listener.ok()
