#!/bin/sh
# Makes the policies that come with the program: trains each configuration as it is and puts weights, learning curve and how
# they were made into configs/policies/trained. `make policies` runs it; a test tells when it is due. A training that is there is not
# done again: delete checkpoints/policies to train with changed code.
set -eu
out=configs/policies/trained
version=$(git describe --always --abbrev=12)
cfgs=${CFGS:-mlp_ppo gcn_ppo gat_ppo gat_sac gat_zero}

# A configuration that has changed is a training of another name, in a directory of its own.
directory() { echo "checkpoints/policies/$(bin/grlscaler train --cfg "$1" --print-name)"; }

# Two at once.
for cfg in $cfgs; do echo "$(directory "$cfg") $cfg"; done | xargs -P 2 -L 1 sh scripts/train.sh

for cfg in $cfgs; do
	run=$(directory "$cfg")
	mkdir -p "$out/$cfg"
	cp "$run/policy.safetensors" "$run/progress.csv" "$out/$cfg/"
	seed=$(bin/grlscaler train --cfg "$cfg" --print-config | awk '$1 == "seed:" { print $2 }')
	cat >"$out/$cfg/made.yaml" <<-END
		training: $(basename "$run")
		command: grlscaler train --cfg $cfg
		seed: $seed
		version: $version
	END
done
