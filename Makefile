# grlscaler: make help lists the targets. Everything works on a fresh Debian 12
# that has Go 1.25 or newer; LIBTORCH=/path uses a libtorch of your own.

# What `make run` does: benchmark the policies that come with the program (training any whose configuration was changed) on the
# shipped recording and scenarios. The recording was made with CPU limits of 0.3 times the official ones and up to
# four replicas; at eight times its load the official limits and seven replicas are as busy as in the scenarios.
RUN = bin/grlscaler benchmark --seeds 3 --scenarios offpeak,peak,rushsale,fluctuating \
	--trace testdata/recordings/h_rushsale --trace-scale 8 \
	--controllers hpa:tuned,hpa:cpu-20,hpa:cpu-40,hpa:cpu-60,hpa:cpu-80,hpa:cpu-60-mem-80,keda:rps-60,static,oracle

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Flags for go test, for example TESTFLAGS='-run TestOracle -v'.
TESTFLAGS =

MODULE = github.com/grlscaler/grlscaler

# What results and `grlscaler --version` name; a tree with changes gets a mark of its own, so that results of one
# state of the code are not reused in another.
VERSION = $(shell git describe --always --abbrev=12 2>/dev/null)$(shell git status --porcelain 2>/dev/null | grep -q . && echo "+$$(git diff HEAD 2>/dev/null | sha1sum | cut -c1-8)")

# The environment of whoever calls must not change what is built.
export CGO_ENABLED = 1
export GOFLAGS =
unexport GOWORK GOOS GOARCH CGO_CFLAGS CGO_CXXFLAGS CGO_LDFLAGS

# Packages whose code and tests do without libtorch. The race detector sees Go
# code only, and cannot be trusted around libtorch's own threads.
PURE = go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | \
	awk '/sugarme\/gotch/ { sub(/\.test$$/, "", $$1); torch[$$1] = 1; next } \
	     { all[$$1] = 1 } END { for (p in all) if (p !~ /[._]test$$/ && !torch[p]) print p }' | sort

.PHONY: setup system build run policies results incidents fidelity hpadiff hpadiff-old test race bench vet fmt-check staticcheck lint clean distclean help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: system ## install libtorch if missing, fit gotch to it, build bin/grlscaler
	@GOWORK=off go run ./internal/cmd/gotchfit
	@$(MAKE) --no-print-directory build

system:
	@sh scripts/setup-system.sh

build: ## build bin/grlscaler (after setup)
	@mkdir -p bin
	go build -buildvcs=false -ldflags "-X $(MODULE)/cmd.buildVersion=$(VERSION)" -o bin/grlscaler .

run: setup ## benchmark the shipped policies on the shipped recording and scenarios
	$(RUN)

test: setup ## run all tests
	go test -timeout 30m $(TESTFLAGS) ./...

policies: setup ## train the policies that come with the program (about 15 minutes)
	sh scripts/policies.sh

results: setup ## train every policy with five seeds, ablations, curves and benchmarks of docs/results.md (hours)
	sh scripts/results.sh

incidents: setup ## run the incidents and put their tables into docs/incidents.md (a minute)
	bin/grlscaler benchmark --suite incidents --out results/incidents
	go test ./benchmark/incidents -run '^TestIncidentsDoc$$' -count 1 -update $(CURDIR)/results/incidents/summary.md

# Packages whose TestFidelityTables writes tables of docs/fidelity.md; one after another, as they write one file.
FIDELITY = ./sim/validate ./sim/calibrate ./sim/fidelity ./benchmark

fidelity: setup ## make the tables of docs/fidelity.md again (under an hour)
	go test -p 1 $(FIDELITY) -run '^TestFidelityTables$$' -count 1 -update -timeout 60m $(TESTFLAGS)

# The HPA rules beside Kubernetes' own code: internal/hpadiff is a module of its own, which the workspace that make setup
# writes does not know. HPADIFF are further flags, such as '-seed 7' or '-only 123'.
HPADIFF =
HPADIFF_TEST = cd internal/hpadiff && CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=auto go test . -count 1 -timeout 2h -v
HPADIFF_ARGS = -args -n 1000000 $(HPADIFF)

hpadiff: ## compare the HPA rules with Kubernetes 1.37 on a million inputs, twice (10 minutes)
	$(HPADIFF_TEST) $(HPADIFF_ARGS)

hpadiff-old: ## the same with Kubernetes 1.32, which has the older rules
	$(HPADIFF_TEST) -modfile k8s-1.32.mod -tags k8s132 $(HPADIFF_ARGS)

race: setup ## run the tests of packages without libtorch under the race detector
	@pkgs="$$($(PURE))"; test -n "$$pkgs" && set -x && go test -race -timeout 40m $(TESTFLAGS) $$pkgs

bench: setup ## run all Go benchmarks
	go test -run '^$$' -bench . -benchmem $(TESTFLAGS) ./...

lint: setup fmt-check vet staticcheck ## gofmt, go vet, staticcheck

fmt-check:
	@bad="$$(gofmt -l .)"; if [ -n "$$bad" ]; then echo "not formatted (gofmt -w):" >&2; echo "$$bad" >&2; exit 1; fi

vet:
	go vet ./...

staticcheck:
	go run $(STATICCHECK) ./...

clean: ## remove what was built in this directory
	rm -rf bin go.work go.work.sum

distclean: clean ## also remove the fitted copies of gotch from the cache
	rm -rf "$${GRLSCALER_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/grlscaler}"
