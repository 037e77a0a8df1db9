#!/bin/sh
# What docs/results.md shows: trains each configuration and the ablations with five seeds, draws the learning curves, and runs the
# benchmarks. A second call goes on where the first was stopped. SEEDS, CFGS and WHAT narrow it down:
#
#	SEEDS="1 2" WHAT="train curves" sh scripts/results.sh
set -eu
out=checkpoints/results
docs=docs/results
seeds=${SEEDS:-1 2 3 4 5}
what=${WHAT:-train ablate curves benchmark}
cfgs=${CFGS:-mlp_ppo gat_ppo gcn_ppo gat_sac}
mkdir -p "$out" "$docs" results

# job NAME CFG [FLAG...] is a line of what is to be trained; flags have no spaces. trainAll does the jobs, two at once.
job() { echo "$out/$*"; }
trainAll() { xargs -P 2 -L 1 sh scripts/train.sh; }

case " $what " in *" train "*)
	for seed in $seeds; do
		for cfg in $cfgs; do job "$cfg-s$seed" "$cfg" --seed "$seed"; done
	done | trainAll
	;;
esac

# Each ablation takes one thing away from gat_ppo or mlp_ppo. Those of graphs are of fewer seeds: they take three times as long.
history=scalars.entry_before_2,scalars.entry_before_3,scalars.entry_before_4,scalars.entry_peak,scalars.entry_change,services.load_change,services.announced_trend
announced=services.announced,services.announced_busy,services.announced_gap,services.announced_trend
ablations() {
	for seed in $(echo "$seeds" | cut -d" " -f1-${ABLATION_SEEDS:-3}); do
		job "mlp-no-warm-start-s$seed" mlp_ppo --seed "$seed" --set ppo.warm_start.steps=0
		job "mlp-no-variation-s$seed" mlp_ppo --seed "$seed" --set env.variation.apps=0 --set env.variation.metrics=false
		job "mlp-slos-s$seed" mlp_ppo --seed "$seed" --set env.variation.slos=0.2
		job "mlp-four-scenarios-s$seed" mlp_ppo --seed "$seed" --scenario offpeak,peak,rushsale,fluctuating
		job "mlp-no-history-s$seed" mlp_ppo --seed "$seed" --set "env.hide=[$history]"
		job "mlp-no-announced-s$seed" mlp_ppo --seed "$seed" --set "env.hide=[$announced]"
		job "mlp-delta-2-s$seed" mlp_ppo --seed "$seed" --set env.action.max_delta=2
		for n in 1 4 11; do
			job "mlp-select-$n-s$seed" mlp_ppo --seed "$seed" --set env.action.mode=select --set env.action.decisions_per_interval=$n
		done
	done
	for seed in $(echo "$seeds" | cut -d" " -f1-${GRAPH_SEEDS:-2}); do
		job "gat-no-calls-s$seed" gat_ppo --seed "$seed" --set encoder.no_calls=true
		job "gat-no-announced-s$seed" gat_ppo --seed "$seed" --set "env.hide=[$announced]"
		job "gat-no-calls-no-announced-s$seed" gat_ppo --seed "$seed" --set encoder.no_calls=true --set "env.hide=[$announced]"
		job "gat-no-history-s$seed" gat_ppo --seed "$seed" --set "env.hide=[$history]"
		job "gat-no-warm-start-s$seed" gat_ppo --seed "$seed" --set ppo.warm_start.steps=0
	done
}

case " $what " in *" ablate "*) ablations | trainAll ;; esac

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
	# Every training on loads that it has not met: the four scenarios, and the family.
	# NAME:CFG, an ablation and the configuration that it takes something away from.
	ablated=$(ablations | sed "s|^$out/\(.*\)-s[0-9]* \([a-z_]*\) .*|\1:\2|" | awk '!seen[$0]++')
	rows="mlp_ppo gat_ppo:mlp_ppo gcn_ppo:mlp_ppo gat_sac:mlp_ppo $ablated"
	# shellcheck disable=SC2086
	trainings=$(policies $cfgs $(printf '%s\n' $ablated | cut -d: -f1))
	bin/grlscaler benchmark --cfgs '' --seeds 3 --out results/trainings --controllers "${trainings}hpa:tuned,oracle" >results/trainings.txt
	bin/grlscaler benchmark --cfgs '' --seeds 100 --scenarios family --out results/family --controllers "${trainings%,}" >results/family.txt
	# shellcheck disable=SC2086
	{
		printf 'Four scenarios, three seeds, fluid engine\n\n'
		go run ./internal/cmd/trainings results/trainings/runs.csv $rows
		printf '\nA hundred loads of the family that no training has met\n\n'
		go run ./internal/cmd/trainings results/family/runs.csv $rows
	} >"$docs/trainings.md"
	bin/grlscaler benchmark --suite headline --out results/headline >results/headline.txt
	sed 's/ *$//' results/headline.txt >"$docs/headline.txt"
	bin/grlscaler benchmark --suite incidents --out results/incidents --controllers policy:gat_zero,policy:gat_ppo,policy:gcn_ppo,policy:gat_sac >results/incidents.txt
	;;
esac
