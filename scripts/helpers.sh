# Sourced by scripts that start servers.
# shellcheck shell=bash

# A port that nobody listens on.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# until_true WHAT COMMAND...: repeats the command until it succeeds; fails with WHAT after 30 seconds.
until_true() {
    local what=$1 deadline=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "${0##*/}: $what" >&2; return 1; }
        sleep 0.1
    done
}
