#!/bin/sh
# Trains one policy: train.sh DIR CFG [FLAG...]. A second call goes on where the first was stopped, and does nothing where it had ended.
# What the training prints goes into DIR.log.
set -eu
dir=$1 cfg=$2
shift 2
[ -e "$dir/policy.safetensors" ] && exit
[ -e "$dir/checkpoint.safetensors" ] && set -- "$@" --resume
mkdir -p "$(dirname "$dir")"
bin/grlscaler train --cfg "$cfg" --out "$dir" "$@" >"$dir.log" 2>&1 || { tail -n 3 "$dir.log" >&2; exit 1; }
echo "$dir: $(tail -n 1 "$dir.log")" >&2
