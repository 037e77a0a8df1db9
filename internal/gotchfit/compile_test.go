package gotchfit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cxx returns the C++ compiler, or skips the test.
func cxx(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CXX"), "g++", "clang++"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no C++ compiler on this machine")
	return ""
}

// writeTree writes files, by slash-separated path, under a new directory.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fakeHeader stands for libtorch: one function has gone, one takes other
// arguments, one is a template that fails inside.
const fakeHeader = `#include <stdexcept>
#include <string>
namespace torch {
inline int kept(int a) { return a + 1; }
inline int changed(int a, const std::string &mode) { return a; }
template <class T> int strict(T v) { return v.size(); }
}
`

const fakeMain = `#include <torch.h>
#include <cstdio>
std::string last;
#define PROTECT(x) try { x } catch (const std::exception &e) { last = e.what(); }
extern "C" {
int at_kept(int a) { PROTECT(return torch::kept(a);) return -1; }
int at_gone(int a) { PROTECT(return torch::gone(a);) return -1; }
#include "generated.cpp.h"
}
int main() {
  std::printf("%d\n", at_kept(1));
  at_gone(1); std::printf("%s\n", last.c_str());
  atg_changed(nullptr); std::printf("%s\n", last.c_str());
  atg_strict(1); std::printf("%s\n", last.c_str());
}
`

const fakeGenerated = `void atg_changed(int *out) {
  PROTECT(
    out[0] = torch::changed(1);
  )
}
int atg_strict(int a) {
  PROTECT(return torch::strict(a);)
  return -1;
}
`

func TestFitWrappersDisablesWhatFails(t *testing.T) {
	include := writeTree(t, map[string]string{"torch.h": fakeHeader})
	dir := t.TempDir()
	sources := map[string]string{"main.cpp": fakeMain, "generated.cpp.h": fakeGenerated}
	c := compiler{path: cxx(t), args: []string{"-std=c++17", "-I" + include}}
	got, err := c.fitWrappers(t.Context(), dir, "main.cpp", "main.o", sources)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"at_gone", "atg_changed", "atg_strict"}, got); diff != "" {
		t.Errorf("disabled (-want +got):\n%s", diff)
	}
	program := filepath.Join(dir, "program")
	if out, err := exec.Command(c.path, filepath.Join(dir, "main.o"), "-o", program).CombinedOutput(); err != nil {
		t.Fatalf("linking: %v\n%s", err, out)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "2\nat_gone: not available in this libtorch\natg_changed: not available in this libtorch\natg_strict: not available in this libtorch\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("program's output (-want +got):\n%s", diff)
	}
}

func TestFitWrappersReportsWhatItCannotMend(t *testing.T) {
	path := cxx(t)
	tests := []struct {
		name, main, want string
		cxx              string
	}{
		{
			name: "missing header", main: "#include <torch/gone.h>\n",
			want: "main.cpp:1: torch/gone.h: No such file or directory (outside any wrapper function)",
		},
		{
			name: "signature", main: "void at_f(Unknown t) { }\n",
			want: "at_f still fails to compile after its body was replaced",
		},
		{
			name: "helper", main: "int helper() {\n  return gone();\n}\n",
			want: "main.cpp:2: ",
		},
		{
			name: "header", main: "#include <broken.h>\n",
			want: "broken.h:1: ",
		},
		{
			name: "no compiler", main: "", cxx: "no-such-compiler",
			want: "running the C++ compiler: ",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			include := writeTree(t, map[string]string{"broken.h": "int broken(;\n"})
			c := compiler{path: path, args: []string{"-I" + include}}
			if tt.cxx != "" {
				c.path = tt.cxx
			}
			prefix := "#define PROTECT(x)\n"
			if tt.name == "signature" {
				tt.main = prefix + tt.main
			}
			_, err := c.fitWrappers(t.Context(), t.TempDir(), "main.cpp", "main.o", map[string]string{"main.cpp": tt.main})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error has more than one line: %v", err)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name, output string
		want         []compileError
	}{
		{
			name: "gcc, error in a macro's argument",
			output: `In file included from torch_api.cpp:10:
torch_api_generated.cpp.h: In function ‘void atg__cat(at::Tensor**)’:
torch_api_generated.cpp.h:308:29: error: ‘_cat’ is not a member of ‘torch’
  308 |     auto outputs__ = torch::_cat(1);
      |                             ^~~~
torch_api.h:16:5: note: in definition of macro ‘PROTECT’
`,
			want: []compileError{{"torch_api_generated.cpp.h", 308, "‘_cat’ is not a member of ‘torch’"}},
		},
		{
			name: "gcc, errors in a template count where it is used",
			output: `/usr/include/torch.h: In instantiation of ‘int strict(T)’:
torch_api.cpp:7:25:   required from here
/usr/include/torch.h:6:47: error: request for member ‘size’
/usr/include/torch.h:7:47: error: a second one
torch_api.cpp:9:1: error: not in the template
/usr/include/other.h: In function ‘int other()’:
/usr/include/other.h:1:2: error: another
`,
			want: []compileError{
				{"torch_api.cpp", 7, "request for member ‘size’"},
				{"torch_api.cpp", 7, "a second one"},
				{"torch_api.cpp", 9, "not in the template"},
				{"other.h", 1, "another"},
			},
		},
		{
			name: "clang",
			output: `./torch_api_generated.cpp.h:308:29: error: no member named '_cat' in namespace 'torch'
torch_api.cpp:1:10: fatal error: 'a.h' file not found
2 errors generated.
`,
			want: []compileError{
				{"torch_api_generated.cpp.h", 308, "no member named '_cat' in namespace 'torch'"},
				{"torch_api.cpp", 1, "'a.h' file not found"},
			},
		},
		{name: "warnings and notes are none", output: "a.cpp:1:2: warning: error: x\na.cpp:1:2: note: y\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parseErrors(tt.output), cmp.AllowUnexported(compileError{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
