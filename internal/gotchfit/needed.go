package gotchfit

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// refuseNeeded returns an error that lists the disabled C++ functions which
// the module in root calls through gotch's package libtch: it would build, and
// fail when it runs. Calls through gotch's package ts are not followed.
func refuseNeeded(root string, files map[string]string, disabled []string) error {
	calls, err := libtchCalls(root)
	if err != nil {
		return fmt.Errorf("reading which gotch functions %s calls: %w", root, err)
	}
	functions := cFunctions(files)
	var bad []string
	for name, where := range calls {
		for _, c := range functions[name] {
			if slices.Contains(disabled, c) {
				bad = append(bad, fmt.Sprintf("libtch.%s (%s)", name, where))
				break
			}
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	return fmt.Errorf("this libtorch lacks what the program calls: %s; known to work are libtorch %s (Debian's libtorch-dev, or LIBTORCH=/path to one)",
		strings.Join(bad, ", "), KnownVersions)
}

// libtchCalls returns the functions of gotch's package libtch that the Go
// files under root use, each with the first file and line that does.
func libtchCalls(root string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || exists(filepath.Join(file, "go.mod"))) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), ModulePath+"/libtch") {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, text, parser.SkipObjectResolution)
		if err != nil {
			return nil // the compiler will say so better
		}
		local := importName(f, ModulePath+"/libtch")
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == local && out[sel.Sel.Name] == "" {
				rel, _ := filepath.Rel(root, file)
				out[sel.Sel.Name] = fmt.Sprintf("%s:%d", rel, fset.Position(sel.Pos()).Line)
			}
			return true
		})
		return nil
	})
	return out, err
}

// importName returns the name under which f imports a package, "" if it does
// not.
func importName(f *ast.File, pkg string) string {
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != pkg {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(pkg)
	}
	return ""
}

var (
	goFunction = regexp.MustCompile(`(?m)^func (\w+)\(`)
	cCall      = regexp.MustCompile(`\bC\.(at\w+)\(`)
)

// cFunctions returns, by name, the C functions that each function of gotch's
// package libtch calls.
func cFunctions(files map[string]string) map[string][]string {
	out := map[string][]string{}
	for name, text := range files {
		if !strings.HasPrefix(name, "libtch/") || !strings.HasSuffix(name, ".go") {
			continue
		}
		starts := goFunction.FindAllStringSubmatchIndex(text, -1)
		for i, m := range starts {
			end := len(text)
			if i+1 < len(starts) {
				end = starts[i+1][0]
			}
			fn := text[m[2]:m[3]]
			for _, call := range cCall.FindAllStringSubmatch(text[m[1]:end], -1) {
				out[fn] = append(out[fn], call[1])
			}
		}
	}
	return out
}
