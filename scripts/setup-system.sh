#!/bin/sh
# Makes sure that the system has what building grlscaler needs: Go, a C++
# compiler, libtorch and a fast BLAS. On Debian and its relatives it installs
# what is missing, as root or through sudo; elsewhere, or without the right to
# install, it says exactly what to install and ends with exit code 1.
#
# LIBTORCH=/path (an unpacked libtorch) makes the packages of libtorch and
# OpenBLAS unnecessary.
set -eu

fail() {
	echo "setup: $*" >&2
	exit 1
}

command -v go >/dev/null 2>&1 ||
	fail "no go command: install Go 1.25 or newer (https://go.dev/dl) and put its bin directory on the PATH"

# installed NAME: is the Debian package NAME installed?
installed() {
	dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
}

missing=""
for tool in gcc "${CXX:-g++}"; do
	command -v "$tool" >/dev/null 2>&1 || missing="$missing g++"
done
# Go fetches modules over https, which needs the certificates.
if command -v dpkg-query >/dev/null 2>&1; then
	[ -n "${SSL_CERT_FILE:-}" ] || installed ca-certificates || missing="$missing ca-certificates"
fi
if [ -z "${LIBTORCH:-}" ]; then
	if command -v dpkg-query >/dev/null 2>&1; then
		installed libtorch-dev || missing="$missing libtorch-dev"
		# Any OpenBLAS will do. Without one, the reference BLAS multiplies
		# matrices at about a tenth of the speed.
		installed libopenblas0-pthread || installed libopenblas0-openmp || installed libopenblas0-serial ||
			missing="$missing libopenblas0-pthread"
	elif [ ! -e /usr/include/torch/csrc/api/include/torch/version.h ]; then
		missing="$missing libtorch"
	fi
fi
# Each name once.
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ' | sed 's/ $//')
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null 2>&1 ||
	fail "missing here: $missing; install them with this system's package manager (libtorch 1.13 or 2.6; or unpack one and set LIBTORCH=/path)"

as_root=""
if [ "$(id -u)" -ne 0 ]; then
	# Ask for a password only if somebody is there to type it.
	if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
		as_root="sudo"
	else
		fail "missing here: $missing; run as root: apt-get update && apt-get install -y $missing (or set LIBTORCH=/path to an unpacked libtorch)"
	fi
fi

echo "setup: installing $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null >"$log" 2>&1 || {
		cat "$log" >&2
		fail "apt-get $1 failed (above); needed: $missing"
	}
}
apt update
# shellcheck disable=SC2086 # a list of names
apt install --no-install-recommends $missing
