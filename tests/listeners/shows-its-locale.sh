#!/bin/sh
# Is no listener: shows the locale that it was given.
echo "LC_CTYPE=$LC_CTYPE" >&2
