package gotchfit

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// repair is one change to a file of gotch's Go side.
type repair struct {
	file string
	// why says what is wrong without it.
	why string
	// pattern is replaced everywhere, $1 in with being its first group.
	pattern *regexp.Regexp
	with    string
	// least is how many places must match: a gotch in which fewer do is one
	// that these repairs were not made for.
	least int
}

// literal is a repair of one exact piece of text.
func literal(file, why, old, replacement string) repair {
	return repair{
		file: file, why: why, least: 1,
		pattern: regexp.MustCompile(regexp.QuoteMeta(old)),
		with:    strings.ReplaceAll(replacement, "$", "$$"),
	}
}

// Room for results. gotch asks C for it and never gives it back. An array on
// the stack costs nothing (see noescape) and holds the results of functions
// with several; none has more than five.
const (
	slotWhy  = "memory from C.malloc(0) is never freed and has no room for several results"
	slotWith = "$1 := &new([8]lib.Ctensor)[0]"
)

var slot = regexp.MustCompile(`(\w+) := \(\*lib\.Ctensor\)\(unsafe\.Pointer\(C\.malloc\(0\)\)\)`)

// repairs are the changes to gotch v0.7.0.
var repairs = []repair{
	{file: "ts/tensor-generated.go", why: slotWhy, pattern: slot, with: slotWith, least: 1800},
	{file: "ts/patch.go", why: slotWhy, pattern: slot, with: slotWith, least: 4},
	literal("ts/tensor.go", slotWhy,
		"	ptr := (*lib.Ctensor)(unsafe.Pointer(C.malloc(0)))\n\n	lib.AtoConstantPadNd(",
		"	ptr := &new([8]lib.Ctensor)[0]\n\n	lib.AtoConstantPadNd("),
	{
		file: "ts/tensor-generated.go", why: "the old handle of a tensor changed in place is never freed, nor is then the tensor",
		pattern: regexp.MustCompile(`ts\.ctensor = \*ptr\b`), with: "ts.ctensor = lib.AtAdopt(ts.ctensor, *ptr)", least: 250,
	},
	{
		file: "ts/tensor-generated.go", why: "without C.malloc no C is left, and cgo need not read the file",
		pattern: regexp.MustCompile(`\n// #include "stdlib\.h"\nimport "C"\n`), with: "\n", least: 1,
	},
	literal("ts/tensor.go", "the gradient's handle is never freed",
		"	grad := ts.MustGrad(false)\n	if grad", "	grad := ts.MustGrad(false)\n	defer grad.MustDrop()\n	if grad"),
	literal("ts/tensor.go", "the end of an inner guard turns gradients on inside an outer one",
		"	ngg.enabled = true\n	_ = MustGradSetEnabled(ngg.enabled)", "	_ = MustGradSetEnabled(ngg.enabled)"),
	literal("libtch/tensor.go", "reads eight bytes of a four-byte result",
		"cretVal := C.at_grad_set_enabled(cbool)\n	return *(*int)(unsafe.Pointer(&cretVal))",
		"return int(C.at_grad_set_enabled(cbool))"),
	literal("libtch/tensor.go", "reads eight bytes of a four-byte result",
		"cint := C.at_device(ts)\n	return *(*int)(unsafe.Pointer(&cint))",
		"return int(C.at_device(ts))"),
	literal("libtch/tensor.go", "a tensor of no dimensions has an empty shape, which has no first element",
		"unsafe.Pointer(&dims[0])", "unsafe.Pointer(unsafe.SliceData(dims))"),
	{
		file: "libtch/c-generated.go", why: "an empty slice, as a scalar's shape is, has no first element",
		pattern: regexp.MustCompile(`unsafe\.Pointer\(&(\w+)\[0\]\)`), with: "unsafe.Pointer(unsafe.SliceData($1))", least: 500,
	},
	literal("init.go", "importing gotch makes a directory in the user's home, or ends the program",
		"	initEnv()\n", ""),
	{
		file: "go.mod", why: "Go 1.14 has neither unsafe.SliceData nor #cgo noescape",
		pattern: regexp.MustCompile(`(?m)^go 1\.14$`), with: "go 1.24", least: 1,
	},
}

// apply makes the changes to files, a map from path to text.
func apply(repairs []repair, files map[string]string) error {
	for _, r := range repairs {
		text, ok := files[r.file]
		if !ok {
			return fmt.Errorf("gotch has no file %s: the repairs do not suit this version", r.file)
		}
		if n := len(r.pattern.FindAllStringIndex(text, -1)); n < r.least {
			return fmt.Errorf("gotch's %s: %d places to change, %d expected (%s): the repairs do not suit this version", r.file, n, r.least, r.why)
		}
		files[r.file] = r.pattern.ReplaceAllString(text, r.with)
	}
	return nil
}

// cgoPreamble is the end of the C preamble of gotch's generated calls.
var cgoPreamble = regexp.MustCompile(`(?m)^//\s*#include "torch_api\.h"\s*\nimport "C"$`)

var cgoCall = regexp.MustCompile(`\bC\.(atg_\w+)\(`)

// noescape tells cgo that the generated functions neither keep the pointers
// they are given nor call back into Go, which is so: libtorch copies shapes
// and writes its results before it returns. Room for results and slices of
// sizes then stay on the caller's stack instead of going to the heap.
func noescape(src string) (string, error) {
	names := map[string]bool{}
	for _, m := range cgoCall.FindAllStringSubmatch(src, -1) {
		names[m[1]] = true
	}
	at := cgoPreamble.FindStringIndex(src)
	if at == nil || len(names) == 0 {
		return "", fmt.Errorf("no C preamble that includes torch_api.h: an unknown version of gotch")
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&b, "// #cgo noescape %s\n// #cgo nocallback %s\n", name, name)
	}
	return src[:at[0]] + b.String() + src[at[0]:], nil
}
