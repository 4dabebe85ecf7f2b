#!/bin/sh
# Supervisor of one program of the Procfile: deploy/keep.sh [--last] COMMAND...
#
# honcho stops all programs as soon as one exits, so this script decides what counts as an exit:
#   killed, or failed       restarts the program, unless it failed five times in a row within 30 seconds of its start
#   0, the run is complete  waits for the others, at most ten minutes; with --last it exits, which stops all
#   2, 130, 143             exits: the configuration is invalid, or the program was asked to stop
#
# honcho sends SIGTERM to this shell and to the program simultaneously. While no program runs, it ends the shell.
set -u
last=
if [ "$1" = --last ]; then
  last=yes
  shift
fi

early=0
stopped=
while true; do
  started=$(date +%s)
  "$@" &
  program=$!
  trap 'stopped=yes' INT TERM # not earlier: a new process that still has the shell's trap would lose the signal
  while
    wait $program
    code=$?
    kill -0 $program 2>/dev/null # still running: the signal ended the wait
  do :; done
  trap - INT TERM
  case $code in
    0) break ;;
    2 | 130 | 143) exit $code ;;
  esac
  if [ $(($(date +%s) - started)) -lt 30 ]; then early=$((early + 1)); else early=0; fi
  if [ -n "$stopped" ] || [ $early -ge 5 ]; then exit $code; fi
  echo "Exited with $code; restarting."
  sleep 1
done

if [ -z "$last" ] && [ -z "$stopped" ]; then
  trap 'exit 0' INT TERM
  exec 2>/dev/null # otherwise the shell prints that the signal ended sleep
  sleep 600 &
  wait $!
fi
