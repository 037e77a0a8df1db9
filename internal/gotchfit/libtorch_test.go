package gotchfit

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const versionH = `#pragma once
/// Indicates the major version of LibTorch.
#define TORCH_VERSION_MAJOR 1
#define TORCH_VERSION_MINOR 13
#define TORCH_VERSION_PATCH 0
#define TORCH_VERSION \
  "1.13.0"
`

// buildLibrary compiles C++ text to a shared library.
func buildLibrary(t *testing.T, path, text string, flags ...string) {
	t.Helper()
	args := append(flags, "-shared", "-fPIC", "-x", "c++", "-", "-o", path)
	cmd := exec.Command(cxx(t), args...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", path, err, out)
	}
}

const stringFunction = "#include <string>\nnamespace c10 { void warn(std::string s) {} }\n"

func TestFindLibtorchOfTheSystem(t *testing.T) {
	root := writeTree(t, map[string]string{
		"usr/include/torch/csrc/api/include/torch/version.h": versionH,
		"usr/lib/x86_64-linux-gnu/libtorch.so":               "",
		"usr/lib/x86_64-linux-gnu/libtorch_cpu.so":           "",
	})
	lib := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	buildLibrary(t, filepath.Join(lib, "libc10.so"), stringFunction)
	got, err := FindLibtorch("", root)
	if err != nil {
		t.Fatal(err)
	}
	want := Libtorch{
		IncludeDirs: []string{filepath.Join(root, "usr/include"), filepath.Join(root, "usr/include/torch/csrc/api/include")},
		LibDir:      lib,
		Version:     "1.13.0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Flavour() != "cpu" || !Known(got.Version) {
		t.Errorf("flavour %s, known %t; want cpu, true", got.Flavour(), Known(got.Version))
	}
	flags := strings.Join(got.linkFlags(), " ")
	if strings.Contains(flags, "rpath") {
		t.Errorf("system libraries need no rpath: %s", flags)
	}
}

func TestFindLibtorchUnpacked(t *testing.T) {
	root := writeTree(t, map[string]string{
		"include/torch/csrc/api/include/torch/version.h": versionH,
		"lib/libtorch.so":      "",
		"lib/libtorch_cpu.so":  "",
		"lib/libtorch_cuda.so": "",
		"lib/libc10_cuda.so":   "",
	})
	buildLibrary(t, filepath.Join(root, "lib/libc10.so"), stringFunction, "-D_GLIBCXX_USE_CXX11_ABI=0")
	got, err := FindLibtorch(root, "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	want := Libtorch{
		Root:        root,
		IncludeDirs: []string{filepath.Join(root, "include"), filepath.Join(root, "include/torch/csrc/api/include")},
		LibDir:      filepath.Join(root, "lib"),
		Version:     "1.13.0",
		CUDA:        []string{"torch_cuda", "c10_cuda"},
		OldABI:      true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text := libGo(got)
	for _, flag := range []string{"-Wl,-rpath," + root + "/lib", "-ltorch_cuda -lc10_cuda", "${SRCDIR}/torch_api.o"} {
		if !strings.Contains(text, flag) {
			t.Errorf("lib.go lacks %q:\n%s", flag, text)
		}
	}
	if flags := strings.Join(got.compileFlags(), " "); !strings.Contains(flags, "-D_GLIBCXX_USE_CXX11_ABI=0") {
		t.Errorf("compiler flags %q lack the old ABI", flags)
	}
}

func TestLibGoQuotesSpaces(t *testing.T) {
	text := libGo(Libtorch{Root: "/my libs", LibDir: "/my libs/lib", Version: "1.13.0"})
	if want := `"-L/my libs/lib" "-Wl,-rpath,/my libs/lib"`; !strings.Contains(text, want) {
		t.Errorf("lib.go lacks %s:\n%s", want, text)
	}
}

func TestFindLibtorchErrorsNameCauseAndCure(t *testing.T) {
	const version = "torch/csrc/api/include/torch/version.h"
	libs := map[string]string{"lib/libtorch.so": "", "lib/libtorch_cpu.so": "", "lib/libc10.so": ""}
	with := func(name, text string) map[string]string {
		files := map[string]string{name: text}
		for k, v := range libs {
			files[k] = v
		}
		return files
	}
	tests := []struct {
		name   string
		files  map[string]string
		system bool
		want   []string
	}{
		{name: "nothing", system: true, want: []string{"no libtorch found", "libtorch-dev", "libopenblas0-pthread", "LIBTORCH=/path"}},
		{name: "empty directory", want: []string{"LIBTORCH=", "libtorch.so is missing in", "include/ and lib/"}},
		{name: "no headers", files: libs, want: []string{"torch/version.h is missing in"}},
		{name: "half a header", files: with("include/"+version, "#define TORCH_VERSION_MAJOR 1\n"), want: []string{"version.h: no TORCH_VERSION_MAJOR, _MINOR and _PATCH"}},
		{name: "not a library", files: with("include/"+version, versionH), want: []string{"libc10.so"}},
		{
			name: "run-time package only", system: true,
			files: map[string]string{"usr/lib/libtorch.so": "", "usr/lib/libtorch_cpu.so": "", "usr/lib/libc10.so": ""},
			want:  []string{"usr/lib: torch/version.h is missing", "libtorch-dev"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := writeTree(t, tt.files)
			var err error
			if tt.system {
				_, err = FindLibtorch("", root)
			} else {
				_, err = FindLibtorch(root, "/nowhere")
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has more than one line: %q", err)
			}
		})
	}
}
