package gotchfit

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The made-up gotch has the layout of the real one and four functions, the
// made-up libtorch the classes they need.
var (
	fakeTorch = map[string]string{
		"include/torch/csrc/api/include/torch/version.h": versionH,
		"include/ATen/Functions.h":                       "// add\n",
		"include/ATen/core/TensorBody.h":                 "// Tensor\n",
		"include/torch/torch.h": `#pragma once
#include <stdexcept>
#include <string>
#include <string.h>
namespace torch {
struct Tensor { int v; void *unsafeGetTensorImpl() { return this; } };
int add(int a, int b);
}
`,
	}
	fakeGotch = map[string]string{
		"go.mod": "module github.com/sugarme/gotch\n\ngo 1.14\n",
		"libtch/torch_api.h": `#ifndef API
#define API
#include <stdint.h>
#ifdef __cplusplus
thread_local char *torch_last_err = nullptr;
extern "C" {
typedef torch::Tensor *tensor;
#define PROTECT(x) try { x } catch (const exception &e) { torch_last_err = strdup(e.what()); }
#else
typedef void *tensor;
#endif
char *get_and_reset_last_err();
void at_set_num_threads(int n_threads);
int at_get_num_threads();
void at_set_num_interop_threads(int n_threads);
int at_get_num_interop_threads();
void at_manual_seed(int64_t seed);
#include "torch_api_generated.h"
#ifdef __cplusplus
}
#endif
#endif
`,
		"libtch/torch_api_generated.h": "void atg_add(int *, int a, int b);\nvoid atg_gone(int *, int a);\n",
		"libtch/torch_api.cpp": `#include <torch/torch.h>
using namespace std;
#include "torch_api.h"
static int threads = 1;
char *get_and_reset_last_err() {
  char *tmp = torch_last_err;
  torch_last_err = nullptr;
  return tmp;
}
void at_set_num_threads(int n) { threads = n; }
int at_get_num_threads() { return threads; }
void at_set_num_interop_threads(int n) {}
int at_get_num_interop_threads() { return 1; }
void at_manual_seed(int64_t seed) {}
#include "torch_api_generated.cpp.h"
`,
		"libtch/torch_api_generated.cpp.h": `void atg_add(int *out__, int a, int b) {
  PROTECT(
    out__[0] = torch::add(a, b);
  )
}

void atg_gone(int *out__, int a) {
  PROTECT(
    out__[0] = torch::gone(a);
  )
}
`,
		"libtch/lib.go": "package libtch\n\n// #cgo LDFLAGS: -lcuda\nimport \"C\"\n",
		"libtch/c-generated.go": `package libtch

//#include "stdlib.h"
//#include "torch_api.h"
import "C"

type Ctensor = C.tensor

func AtgAdd(out *int32, a, b int32) {
	C.atg_add((*C.int)(out), C.int(a), C.int(b))
}

func AtgGone(out *int32, a int32) {
	C.atg_gone((*C.int)(out), C.int(a))
}

func LastErr() string {
	return C.GoString(C.get_and_reset_last_err())
}
`,
	}
	fakeRepairs = []repair{literal("go.mod", "too old", "go 1.14", "go 1.24")}
)

// fakeConfig builds a made-up libtorch and returns how to fit a made-up gotch
// to it.
func fakeConfig(t *testing.T) Config {
	t.Helper()
	root := writeTree(t, fakeTorch)
	lib := filepath.Join(root, "lib")
	if err := os.Mkdir(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	buildLibrary(t, filepath.Join(lib, "libtorch.so"), "")
	buildLibrary(t, filepath.Join(lib, "libc10.so"), stringFunction)
	buildLibrary(t, filepath.Join(lib, "libtorch_cpu.so"), "namespace torch { int add(int a, int b) { return a + b; } }")
	torch, err := FindLibtorch(root, "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Gotch:    Source{Version: "v0.0.1", Dir: writeTree(t, fakeGotch)},
		Libtorch: torch,
		CXX:      cxx(t),
		CacheDir: filepath.Join(t.TempDir(), "cache"),
		repairs:  fakeRepairs,
	}
}

const fakeProgram = `package main

import (
	"fmt"
	"runtime"

	"github.com/sugarme/gotch/libtch"
)

func main() {
	runtime.LockOSThread() // the last error is kept per thread
	var out int32
	libtch.AtgAdd(&out, 1, 2)
	libtch.AtSetNumThreads(7)
	fmt.Println(out, libtch.AtGetNumThreads())
	libtch.AtgGone(&out, 1)
	fmt.Println(libtch.LastErr())
}
`

// TestFitBuildsAWorkingModule goes all the way: fit, go.work, go run.
func TestFitBuildsAWorkingModule(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	c := fakeConfig(t)
	fitted, err := Fit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"atg_gone"}, fitted.Disabled); diff != "" || !fitted.Fresh {
		t.Errorf("fresh %t, disabled (-want +got):\n%s", fitted.Fresh, diff)
	}
	program := writeTree(t, map[string]string{
		"go.mod":  "module program\n\ngo 1.24\n\nrequire github.com/sugarme/gotch v0.0.1\n",
		"main.go": fakeProgram,
	})
	if err := WriteWorkspace(t.Context(), program, fitted.Dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", ".")
	cmd.Dir = program
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=", "GOPROXY=off", "CGO_ENABLED=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go run: %v\n%s", err, out)
	}
	want := "3 7\natg_gone: not available in this libtorch\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("program's output (-want +got):\n%s", diff)
	}
}

func TestFitIsIdempotent(t *testing.T) {
	c := fakeConfig(t)
	compiled := 0
	c.Log = func(string) { compiled++ }
	fit := func() Result {
		t.Helper()
		r, err := Fit(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first, second := fit(), fit()
	if second.Fresh || second.Dir != first.Dir || compiled != 1 {
		t.Errorf("second run: fresh %t, directory %s after %s, %d compilations in all; want false, the same, 1",
			second.Fresh, second.Dir, first.Dir, compiled)
	}
	if diff := cmp.Diff(first.Disabled, second.Disabled); diff != "" {
		t.Errorf("disabled (-first +second):\n%s", diff)
	}

	// Half a directory, as a killed run may leave on some file systems, is
	// made anew without compiling.
	if err := os.Remove(filepath.Join(first.Dir, stamp)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(first.Dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	if r := fit(); !r.Fresh || !exists(filepath.Join(r.Dir, "go.mod")) || compiled != 1 {
		t.Errorf("after damage: fresh %t, %d compilations; want true, 1", r.Fresh, compiled)
	}

	// Another libtorch in the same place is another fit.
	functions := filepath.Join(c.Libtorch.Root, "include/ATen/Functions.h")
	if err := os.WriteFile(functions, []byte("// add, sub\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if fit(); compiled != 2 {
		t.Errorf("%d compilations after the headers changed, want 2", compiled)
	}
	left, err := filepath.Glob(filepath.Join(c.CacheDir, ".building-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary directories left: %v, %v", left, err)
	}
}

func TestFitAtTheSameTime(t *testing.T) {
	c := fakeConfig(t)
	var wg sync.WaitGroup
	results, errs := make([]Result, 3), make([]error, 3)
	for i := range results {
		wg.Go(func() { results[i], errs[i] = Fit(context.Background(), c) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Dir != results[0].Dir || !complete(r.Dir) {
			t.Errorf("%s, complete %t; the first is %s", r.Dir, complete(r.Dir), results[0].Dir)
		}
	}
}

func TestFitErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, c *Config)
		want   []string
	}{
		{
			"a needed function is disabled",
			func(t *testing.T, c *Config) {
				c.Root = writeTree(t, map[string]string{"go.mod": "module program\n", "main.go": fakeProgram})
			},
			[]string{"fitting gotch v0.0.1 to libtorch 1.13.0: this libtorch lacks what the program calls: libtch.AtgGone (main.go:16)"},
		},
		{
			"no compiler",
			func(t *testing.T, c *Config) { c.CXX = "no-such-compiler" },
			[]string{"no C++ compiler no-such-compiler: install the package g++"},
		},
		{
			"unknown libtorch without a header",
			func(t *testing.T, c *Config) {
				c.Libtorch.Version = "9.0.0"
				if err := os.WriteFile(filepath.Join(c.Libtorch.Root, "include/torch/torch.h"), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			},
			[]string{"to libtorch 9.0.0: torch_api.h:", "known to work are libtorch 1.13 and 2.6 (Debian's libtorch-dev, or LIBTORCH=/path to one)"},
		},
		{
			"not gotch",
			func(t *testing.T, c *Config) { c.Gotch.Dir = t.TempDir() },
			[]string{"reading gotch v0.0.1: libtch/torch_api.cpp is missing in"},
		},
		{
			"unknown gotch",
			func(t *testing.T, c *Config) { c.repairs = repairs },
			[]string{"the repairs do not suit this version"},
		},
		{
			"cache not writable",
			func(t *testing.T, c *Config) {
				c.CacheDir = filepath.Join(writeTree(t, map[string]string{"file": ""}), "file", "cache")
			},
			[]string{"set GRLSCALER_CACHE to a writable directory"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := fakeConfig(t)
			tt.change(t, &c)
			_, err := Fit(t.Context(), c)
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

func TestWriteWorkspace(t *testing.T) {
	root := writeTree(t, map[string]string{"go.mod": "module program\n\ngo 1.25.0\n"})
	path := filepath.Join(root, "go.work")
	for _, dir := range []string{"/cache/one", "/cache/with space"} {
		if err := WriteWorkspace(t.Context(), root, dir); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "work", "edit", "-json")
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOWORK="+path, "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go work edit: %v\n%s", err, out)
		}
		for _, want := range []string{`"Go": "1.25.0"`, `"DiskPath": "."`, `"Path": "` + ModulePath + `"`, `"Path": "` + dir + `"`} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: go.work lacks %s:\n%s", dir, want, out)
			}
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteWorkspace(t.Context(), root, "/cache/with space"); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("an unchanged go.work was written again (%v)", err)
	}
}

func TestFindSourceErrors(t *testing.T) {
	tests := []struct{ name, gomod, want string }{
		{"no go.mod", "", "go mod edit -json"},
		{"gotch not required", "module program\n\ngo 1.25.0\n", "does not require github.com/sugarme/gotch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			if tt.gomod != "" {
				files["go.mod"] = tt.gomod
			}
			_, err := FindSource(t.Context(), writeTree(t, files))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}
