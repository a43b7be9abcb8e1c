#!/bin/sh
# The browser tests drive the system's Chromium: says where it is, or how to get one.
for name in chromium chromium-browser google-chrome; do
    if command -v "$name"; then exit 0; fi
done
cat >&2 <<'END'
The browser tests drive the system's Chromium, and there is none on the PATH.
Debian: sudo apt-get install chromium. Fedora: sudo dnf install chromium. Then run make test-browser again.
END
exit 1
