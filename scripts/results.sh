#!/bin/sh
# What docs/results.md shows: trains each configuration with five seeds, the ablations with three, draws the learning curves, and runs the
# benchmarks. A second call goes on where the first was stopped. SEEDS and WHAT narrow it down:
#
#	SEEDS="1 2" WHAT="train curves" sh scripts/results.sh
set -eu
out=checkpoints/results
docs=docs/results
seeds=${SEEDS:-1 2 3 4 5}
what=${WHAT:-train ablate curves benchmark}
cfgs="mlp_ppo gat_ppo gcn_ppo gat_sac"
mkdir -p "$out" "$docs"

train() { # name, configuration, further flags
	name=$1 cfg=$2
	shift 2
	[ -e "$out/$name/policy.safetensors" ] && return
	[ -e "$out/$name/checkpoint.safetensors" ] && set -- "$@" --resume
	echo "$name" >&2
	bin/grlscaler train --cfg "$cfg" --out "$out/$name" "$@" >"$out/$name.log" 2>&1
}

# both runs two trainings at once.
running=0
both() {
	train "$@" &
	running=$((running + 1))
	[ $running -lt 2 ] || { wait; running=0; }
}

case " $what " in *" train "*)
	for seed in $seeds; do
		for cfg in $cfgs; do both "$cfg-s$seed" "$cfg" --seed "$seed"; done
	done
	wait
	;;
esac

# Each ablation takes one thing away from gat_ppo, or from mlp_ppo.
case " $what " in *" ablate "*)
	for seed in 1 2 3; do
		both "no-warm-start-s$seed" mlp_ppo --seed "$seed" --set ppo.warm_start.steps=0
		both "no-variation-s$seed" mlp_ppo --seed "$seed" --set env.variation.apps=0 --set env.variation.metrics=false
		both "four-scenarios-s$seed" mlp_ppo --seed "$seed" --scenario offpeak,peak,rushsale,fluctuating
		both "delta-2-s$seed" mlp_ppo --seed "$seed" --set env.action.max_delta=2
		both "select-s$seed" mlp_ppo --seed "$seed" --set env.action.mode=select
	done
	wait
	;;
esac

policies() { # names of trainings, present ones with all seeds given
	list=
	for name in "$@"; do
		for seed in $seeds; do
			[ -e "$out/$name-s$seed/policy.safetensors" ] && list="$list$name-s$seed=policy:$out/$name-s$seed/policy.safetensors,"
		done
	done
	printf %s "$list"
}

case " $what " in *" curves "*)
	args=
	for cfg in $cfgs; do
		dirs=
		for seed in $seeds; do
			[ -e "$out/$cfg-s$seed/policy.safetensors" ] && dirs="$dirs,$out/$cfg-s$seed"
		done
		[ -z "$dirs" ] || args="$args $cfg=${dirs#,}"
	done
	# shellcheck disable=SC2086 # names without spaces
	go run ./internal/cmd/curves "$docs/curves.svg" $args >"$docs/curves.md"
	;;
esac

case " $what " in *" benchmark "*)
	# shellcheck disable=SC2086
	bin/grlscaler benchmark --cfgs '' --seeds 3 --engine des --out results/seeds --controllers "$(policies $cfgs)hpa:tuned,oracle" >"$docs/seeds.txt"
	bin/grlscaler benchmark --cfgs '' --seeds 3 --out results/ablations --controllers "$(policies mlp_ppo no-warm-start no-variation four-scenarios delta-2 select)oracle" >"$docs/ablations.txt"
	bin/grlscaler benchmark --suite headline --out results/headline >"$docs/headline.txt"
	bin/grlscaler benchmark --suite incidents --engine des --out results/incidents --controllers policy:gat_ppo,policy:mlp_ppo >"$docs/incidents.txt" || true
	;;
esac
