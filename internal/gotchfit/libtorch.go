package gotchfit

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Libtorch describes one installed libtorch: where its headers and libraries
// are and how programs must be compiled to link with it.
type Libtorch struct {
	// Root is the directory that holds include/ and lib/, or "" for a
	// libtorch installed by the distribution.
	Root string
	// IncludeDirs are the directories to search for headers, in order.
	IncludeDirs []string
	// LibDir is the directory that holds libtorch.so.
	LibDir string
	// Version is what torch/version.h says, "1.13.0" for example. Debian's
	// package 1.13.1 carries headers that say 1.13.0.
	Version string
	// CUDA lists the CUDA libraries to link, without "lib" and ".so"; empty
	// for a CPU build.
	CUDA []string
	// OldABI tells that the libraries were built with the C++ library's ABI
	// from before C++11, as PyTorch's own archives and wheels long were.
	OldABI bool
}

// Flavour returns "cuda" or "cpu".
func (t Libtorch) Flavour() string {
	if len(t.CUDA) > 0 {
		return "cuda"
	}
	return "cpu"
}

// versionHeader is the header that carries libtorch's version, relative to
// the directory of the C++ API's headers.
const versionHeader = "torch/version.h"

// debianLibDirs are where Debian and its relatives put shared libraries.
var debianLibDirs = []string{
	"usr/lib/x86_64-linux-gnu",
	"usr/lib/aarch64-linux-gnu",
	"usr/lib64",
	"usr/lib",
	"usr/local/lib",
}

// FindLibtorch looks for libtorch in root if that is not empty (the value of
// the environment variable LIBTORCH), else among the libraries the system
// installed. sysroot is "/" but for tests.
func FindLibtorch(root, sysroot string) (Libtorch, error) {
	if root != "" {
		abs, err := filepath.Abs(root)
		if err != nil {
			return Libtorch{}, fmt.Errorf("LIBTORCH=%s: %w", root, err)
		}
		t := Libtorch{
			Root:   abs,
			LibDir: filepath.Join(abs, "lib"),
			IncludeDirs: []string{
				filepath.Join(abs, "include"),
				filepath.Join(abs, "include/torch/csrc/api/include"),
			},
		}
		if err := t.inspect(); err != nil {
			return Libtorch{}, fmt.Errorf("LIBTORCH=%s: %w; give the directory of an unpacked libtorch, the one that holds include/ and lib/", root, err)
		}
		return t, nil
	}
	include := filepath.Join(sysroot, "usr/include")
	api := filepath.Join(include, "torch/csrc/api/include")
	for _, dir := range debianLibDirs {
		lib := filepath.Join(sysroot, dir)
		if !exists(filepath.Join(lib, "libtorch.so")) {
			continue
		}
		t := Libtorch{LibDir: lib, IncludeDirs: []string{include, api}}
		if err := t.inspect(); err != nil {
			return Libtorch{}, fmt.Errorf("libtorch in %s: %w; install the package libtorch-dev, or set LIBTORCH=/path to an unpacked libtorch", lib, err)
		}
		return t, nil
	}
	return Libtorch{}, errors.New("no libtorch found: install the packages libtorch-dev and libopenblas0-pthread, or set LIBTORCH=/path to an unpacked libtorch")
}

// inspect fills in what the files say and reports the first one missing.
func (t *Libtorch) inspect() error {
	for _, name := range []string{"libtorch.so", "libtorch_cpu.so", "libc10.so"} {
		if !exists(filepath.Join(t.LibDir, name)) {
			return fmt.Errorf("%s is missing in %s", name, t.LibDir)
		}
	}
	api := t.IncludeDirs[len(t.IncludeDirs)-1]
	text, err := os.ReadFile(filepath.Join(api, versionHeader))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing in %s", versionHeader, api)
	} else if err != nil {
		return err
	}
	if t.Version, err = parseVersion(string(text)); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(api, versionHeader), err)
	}
	for _, name := range []string{"torch_cuda", "torch_cuda_cu", "torch_cuda_cpp", "c10_cuda"} {
		if exists(filepath.Join(t.LibDir, "lib"+name+".so")) {
			t.CUDA = append(t.CUDA, name)
		}
	}
	t.OldABI, err = hasOldABI(filepath.Join(t.LibDir, "libc10.so"))
	return err
}

var versionDefine = regexp.MustCompile(`(?m)^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) (\d+)\s*$`)

// parseVersion reads the version out of the text of torch/version.h.
func parseVersion(header string) (string, error) {
	found := map[string]string{}
	for _, m := range versionDefine.FindAllStringSubmatch(header, -1) {
		found[m[1]] = m[2]
	}
	if len(found) != 3 {
		return "", errors.New("no TORCH_VERSION_MAJOR, _MINOR and _PATCH: a libtorch older than 1.8 or not a libtorch")
	}
	return found["MAJOR"] + "." + found["MINOR"] + "." + found["PATCH"], nil
}

// hasOldABI tells whether a shared library was built with
// _GLIBCXX_USE_CXX11_ABI=0. Built with the newer ABI, libtorch's libraries
// define functions with a std::__cxx11::basic_string among their parameters;
// those are part of the functions' symbols.
func hasOldABI(lib string) (bool, error) {
	f, err := elf.Open(lib)
	if err != nil {
		return false, fmt.Errorf("%s: %w", lib, err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return false, fmt.Errorf("%s: %w", lib, err)
	}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && strings.Contains(s.Name, "__cxx11") {
			return false, nil
		}
	}
	return true, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// KnownVersions says in words with which versions of libtorch the tests have
// passed: those of Debian 12 and 13.
const KnownVersions = "1.13 and 2.6"

// Known tells whether the tests have passed with this version of libtorch.
// Others are tried: they work if all functions that are called still compile.
func Known(version string) bool {
	return strings.HasPrefix(version, "1.13.") || strings.HasPrefix(version, "2.6.")
}
