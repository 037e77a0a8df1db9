package gotchfit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// compileFlags are the C++ flags with which code finds libtorch's headers.
func (t Libtorch) compileFlags() []string {
	flags := []string{"-std=c++17"}
	for _, dir := range t.IncludeDirs {
		// The compiler searches the system's directory by itself, and last.
		if dir != "/usr/include" {
			flags = append(flags, "-I"+dir)
		}
	}
	if t.OldABI {
		flags = append(flags, "-D_GLIBCXX_USE_CXX11_ABI=0")
	}
	return flags
}

// linkFlags are the flags with which a program links to libtorch.
func (t Libtorch) linkFlags() []string {
	flags := []string{"-L" + t.LibDir}
	if t.Root != "" {
		flags = append(flags, "-Wl,-rpath,"+t.LibDir)
	}
	// Nothing calls into libtorch.so or the CUDA libraries by name: they
	// register themselves when loaded, so the linker must not drop them.
	flags = append(flags, "-Wl,--no-as-needed", "-ltorch")
	for _, lib := range t.CUDA {
		flags = append(flags, "-l"+lib)
	}
	return append(flags, "-Wl,--as-needed", "-ltorch_cpu", "-lc10", "-lstdc++", "-lm")
}

// header returns the text of one of libtorch's headers.
func (t Libtorch) header(name string) (string, error) {
	for _, dir := range t.IncludeDirs {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return string(text), nil
		}
	}
	return "", fmt.Errorf("libtorch's header %s is missing in %s", name, strings.Join(t.IncludeDirs, " and "))
}

// libGo is the file of gotch that tells cgo how to compile and link. The C++
// side is one object file, compiled beforehand: cgo would compile it anew, with
// debugging information and twice as slowly, for each kind of build.
func libGo(t Libtorch) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package libtch\n\n// Flags for libtorch %s (%s).\n\n", t.Version, t.Flavour())
	fmt.Fprintf(&b, "// #cgo CFLAGS: -I${SRCDIR} -O2 -w\n")
	fmt.Fprintf(&b, "// #cgo LDFLAGS: ${SRCDIR}/%s %s\n", objectFile, strings.Join(quoteAll(t.linkFlags()), " "))
	b.WriteString("import \"C\"\n")
	return b.String()
}

// quoteAll quotes flags with spaces as cgo's directives want them.
func quoteAll(flags []string) []string {
	out := make([]string, len(flags))
	for i, f := range flags {
		out[i] = f
		if strings.ContainsAny(f, " \t") {
			out[i] = `"` + f + `"`
		}
	}
	return out
}
