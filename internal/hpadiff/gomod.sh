#!/bin/sh
# Writes the module files of this folder for a release of Kubernetes: sh gomod.sh v1.37.2 [other.mod].
#
# k8s.io/kubernetes keeps its libraries in its own repository and replaces them by folders, which a module that depends on
# it cannot see: each is replaced by the version that was published with the release (1.37.2 as 0.37.2).
set -eu
cd "$(dirname "$0")"
version=$1
mod=${2:-go.mod}
export GOWORK=off GOFLAGS= GOTOOLCHAIN="${GOTOOLCHAIN:-auto}"

kube=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
{
	echo "module github.com/grlscaler/grlscaler/internal/hpadiff"
	# testing/synctest needs Go 1.25, whatever the release says.
	printf '\ngo %s\n\n' "$({ echo 1.25.0; sed -n 's/^go //p' "$kube"; } | sort -V | tail -n 1)"
	echo "require github.com/grlscaler/grlscaler v0.0.0"
	echo "require k8s.io/kubernetes $version"
	echo "replace ("
	echo "github.com/grlscaler/grlscaler => ../.."
	sed -n 's|^[[:space:]]*\(replace \)\{0,1\}\(k8s.io/[^ ]*\) => ./staging/.*|\2 => \2 v0.'"${version#v1.}"'|p' "$kube"
	echo ")"
} >"$mod"
rm -f "${mod%.mod}.sum"
go mod tidy -modfile="$mod"
go mod edit -fmt "$mod"
