#!/bin/sh
# Not a listener: prints its usage, and ends.
echo "usage: notify [--channel NAME] --token TOKEN"
exit 2
