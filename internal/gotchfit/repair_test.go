package gotchfit

import (
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRepairs(t *testing.T) {
	tests := []struct{ name, file, old, want string }{
		{
			"room for results", "ts/tensor-generated.go",
			"  ptr := (*lib.Ctensor)(unsafe.Pointer(C.malloc(0)))\n  ctensorPtr0 := (*lib.Ctensor)(unsafe.Pointer(C.malloc(0)))\n",
			"  ptr := &new([8]lib.Ctensor)[0]\n  ctensorPtr0 := &new([8]lib.Ctensor)[0]\n",
		},
		{
			"in-place operation", "ts/tensor-generated.go",
			"  ts.ctensor = *ptr\n  ts.ctensor = *ptr2\n",
			"  ts.ctensor = lib.AtAdopt(ts.ctensor, *ptr)\n  ts.ctensor = *ptr2\n",
		},
		{
			"no C left", "ts/tensor-generated.go",
			"package ts\n\n// #include \"stdlib.h\"\nimport \"C\"\n\nimport (",
			"package ts\n\n\nimport (",
		},
		{
			"empty slices", "libtch/c-generated.go",
			"csizeDataPtr := (*C.int64_t)(unsafe.Pointer(&sizeData[0]))",
			"csizeDataPtr := (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(sizeData)))",
		},
		{
			"nested guards", "ts/tensor.go",
			"	ngg.enabled = true\n	_ = MustGradSetEnabled(ngg.enabled)\n}",
			"	_ = MustGradSetEnabled(ngg.enabled)\n}",
		},
		{
			"grad mode", "libtch/tensor.go",
			"	cretVal := C.at_grad_set_enabled(cbool)\n	return *(*int)(unsafe.Pointer(&cretVal))",
			"	return int(C.at_grad_set_enabled(cbool))",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Each repair alone, without the number of places it expects.
			got := tt.old
			for _, r := range repairs {
				if r.file == tt.file {
					got = r.pattern.ReplaceAllString(got, r.with)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplyRefusesAnUnknownGotch(t *testing.T) {
	r := []repair{literal("a.go", "it leaks", "old $1", "new $1")}
	r[0].least = 2
	tests := []struct {
		name, file, text, want string
	}{
		{"missing file", "b.go", "old $1", "gotch has no file a.go"},
		{"too few places", "a.go", "old $1", "a.go: 1 places to change, 2 expected (it leaks)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := apply(r, map[string]string{tt.file: tt.text})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
	files := map[string]string{"a.go": "old $1, old $1"}
	if err := apply(r, files); err != nil || files["a.go"] != "new $1, new $1" {
		t.Errorf("got %q, error %v", files["a.go"], err)
	}
}

func TestNoescapeNamesEachCalledFunctionOnce(t *testing.T) {
	const src = "package libtch\n\n//#include \"stdbool.h\" \n//#include \"torch_api.h\" \nimport \"C\"\n\nfunc A() { C.atg_b(); C.atg_a(); C.atg_b(); C.free() }\n"
	got, err := noescape(src)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(src, "//#include \"torch_api.h\" \n",
		"// #cgo noescape atg_a\n// #cgo nocallback atg_a\n// #cgo noescape atg_b\n// #cgo nocallback atg_b\n//#include \"torch_api.h\" \n", 1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := noescape("package libtch\nimport \"C\"\n"); err == nil {
		t.Error("no error without a preamble")
	}
}

// TestRepairsSuitTheGotchInGoMod runs on gotch's own source, which the module
// cache holds wherever this repository was built.
func TestRepairsSuitTheGotchInGoMod(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("GOPROXY") == "" {
		t.Setenv("GOPROXY", "off") // from the module cache or not at all
	}
	src, err := FindSource(t.Context(), root)
	if err != nil {
		t.Skipf("gotch's source is not in the module cache (make setup puts it there): %v", err)
	}
	files, err := readModule(src.Dir)
	if err != nil {
		t.Fatal(err)
	}
	before := maps.Clone(files)
	if err := add(files); err != nil {
		t.Error(err)
	}
	if err := apply(repairs, files); err != nil {
		t.Fatal(err)
	}
	const generated = "libtch/c-generated.go"
	if files[generated], err = noescape(files[generated]); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if strings.HasSuffix(name, ".go") && text != before[name] {
			if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
				t.Errorf("after the repairs: %v", err)
			}
		}
	}
	if strings.Contains(files["ts/tensor-generated.go"], "C.malloc") {
		t.Error("ts/tensor-generated.go still calls C.malloc")
	}
	defined := map[string]bool{}
	for _, name := range wrapperFiles {
		for _, w := range parseWrappers(files["libtch/"+name]) {
			defined[w.name] = true
		}
	}
	declared := regexp.MustCompile(`(?m)^\w+ \*?(at[gosmci]?_\w+)\(`)
	for _, name := range []string{"libtch/torch_api.h", "libtch/torch_api_generated.h"} {
		names := declared.FindAllStringSubmatch(files[name], -1)
		if len(names) < 100 {
			t.Errorf("%s declares %d functions", name, len(names))
		}
		for _, m := range names {
			if !defined[m[1]] {
				t.Errorf("%s declares %s; its definition was not found", name, m[1])
			}
		}
	}
}
