#!/bin/sh
# What the policies learn: trains each configuration with three seeds, and runs them on arrivals that no training has
# seen, beside the same networks untrained, random actions and the HPAs. Results in results/learning.
set -eu
out=checkpoints/learning
cfgs="mlp_ppo gcn_ppo gat_ppo gat_sac"

train() { # name, configuration, further flags
	name=$1 cfg=$2
	shift 2
	[ -e "$out/$name/policy.safetensors" ] && return
	[ -e "$out/$name/checkpoint.safetensors" ] && set -- "$@" --resume
	echo "$name" >&2
	bin/grlscaler train --cfg "$cfg" --out "$out/$name" "$@" >"$out/$name.log" 2>&1
}

mkdir -p "$out"
controllers=
for cfg in $cfgs; do
	train "$cfg-untrained" "$cfg" --steps 0
	for seed in 1 2 3; do train "$cfg-s$seed" "$cfg" --seed $seed & done
	wait
	for name in "$cfg-untrained" "$cfg-s1" "$cfg-s2" "$cfg-s3"; do
		controllers="$controllers$name=policy:$out/$name/policy.safetensors,"
	done
done
exec bin/grlscaler benchmark --cfgs '' --seeds 3 --out results/learning \
	--controllers "${controllers}random,hpa:cpu-40,hpa:cpu-60,hpa:cpu-80,oracle"
