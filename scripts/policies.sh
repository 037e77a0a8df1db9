#!/bin/sh
# Makes the policies that come with the program: trains each configuration as it is and puts weights, learning curve and how
# they were made into configs/policies/trained. `make policies` runs it; a test tells when it is due.
set -eu
out=configs/policies/trained
version=$(git describe --always --abbrev=12)

for cfg in ${CFGS:-mlp_ppo gcn_ppo gat_ppo gat_sac gat_zero}; do
	run=checkpoints/policies/$cfg
	mkdir -p "$run"
	resume=
	[ -e "$run/checkpoint.safetensors" ] && resume=--resume
	(
		bin/grlscaler train --cfg "$cfg" --out "$run" $resume >"$run/log" 2>&1
		mkdir -p "$out/$cfg"
		cp "$run/policy.safetensors" "$run/progress.csv" "$out/$cfg/"
		seed=$(bin/grlscaler train --cfg "$cfg" --print-config | awk '$1 == "seed:" { print $2 }')
		cat >"$out/$cfg/made.yaml" <<-END
			training: $(bin/grlscaler train --cfg "$cfg" --print-name)
			command: grlscaler train --cfg $cfg
			seed: $seed
			version: $version
		END
		echo "$cfg: $(tail -n 1 "$run/log")"
	) &
	# Two at once.
	[ "$(jobs | wc -l)" -lt 2 ] || wait
done
wait
