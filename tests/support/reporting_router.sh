#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stands in for a nodeway with a leak: runs well, exits 0, and says what LeakSanitizer would say.
trap 'echo "==1==ERROR: LeakSanitizer: detected memory leaks" >&2; exit 0' TERM
echo '{"event":"listening","listen":["127.0.0.1:1"],"admin":"127.0.0.1:1"}'
echo '{"event":"ready","listen":["127.0.0.1:1"],"admin":"127.0.0.1:1"}'
while :; do sleep 0.05; done
