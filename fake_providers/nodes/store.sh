#!/bin/bash
# Unpacks images into a folder that nodes begin with. Runs in mount and process namespaces of its own, which end with it.
# Arguments: programs, folder, archives.
set -eu
umask 022
bin=$1 store=$2
shift 2
export PATH=$bin:$PATH

mount -t tmpfs -o mode=0755 run /run
mkdir /run/containerd
printf 'version = 3\n' >/run/containerd.toml
containerd --config /run/containerd.toml --root "$store" >"$store.log" 2>&1 &
until ctr version >/dev/null 2>&1; do
  kill -0 $! 2>/dev/null || { tail -n 1 "$store.log" >&2; exit 1; }
  sleep 0.1
done
for archive in "$@"; do
  ctr --namespace k8s.io images import "$archive" >/dev/null
done
# It writes down what it has when it is asked to end.
kill $!
wait $! || true
