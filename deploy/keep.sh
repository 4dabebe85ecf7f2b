#!/bin/sh
# Keeps one program of the Procfile running: deploy/keep.sh [--last] COMMAND...
#
# honcho stops everything as soon as one program ends, so this says what an end is:
#   killed, or broken       the program starts again, unless it broke five times in a row within 30 seconds of its start
#   0, the run is complete  it waits for the others, ten minutes at most; with --last it ends, and so everything does
#   2, 130, 143             it ends: its configuration cannot work, or it was asked to stop
#
# honcho's SIGTERM goes to this shell and to the program at once. While there is no program it ends the shell.
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
  trap 'stopped=yes' INT TERM # not before: a new process that still has the shell's trap would lose the signal
  while
    wait $program
    code=$?
    kill -0 $program 2>/dev/null # then it was the signal that ended the wait
  do :; done
  trap - INT TERM
  case $code in
    0) break ;;
    2 | 130 | 143) exit $code ;;
  esac
  if [ $(($(date +%s) - started)) -lt 30 ]; then early=$((early + 1)); else early=0; fi
  if [ -n "$stopped" ] || [ $early -ge 5 ]; then exit $code; fi
  echo "Ended with $code; starts again."
  sleep 1
done

if [ -z "$last" ] && [ -z "$stopped" ]; then
  trap 'exit 0' INT TERM
  exec 2>/dev/null # the shell would tell that the signal ended sleep too
  sleep 600 &
  wait $!
fi
