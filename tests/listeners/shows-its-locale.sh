#!/bin/sh
# Not a listener: prints the locale that it was given.
echo "LC_CTYPE=$LC_CTYPE" >&2
