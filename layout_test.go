package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/grlscaler/grlscaler/"

// forbidden lists, for each top folder, what its code must not import: dependencies point one way,
// cmd -> benchmark -> rl -> gnn, all -> sim, only learning knows torch, and only cmd knows Kubernetes' types.
var forbidden = map[string][]string{
	"sim":       {"github.com/sugarme/gotch", "github.com/spf13/cobra", "k8s.io/", "sigs.k8s.io/", module + "gnn", module + "rl", module + "benchmark", module + "cmd", module + "configs"},
	"gnn":       {"github.com/spf13/cobra", "k8s.io/", "sigs.k8s.io/", module + "rl", module + "benchmark", module + "cmd", module + "configs"},
	"rl":        {"github.com/spf13/cobra", "k8s.io/", "sigs.k8s.io/", module + "benchmark", module + "cmd"},
	"benchmark": {"github.com/sugarme/gotch", "github.com/spf13/cobra", "k8s.io/", "sigs.k8s.io/", module + "gnn", module + "rl", module + "cmd"},
	"configs":   {"github.com/sugarme/gotch", "github.com/spf13/cobra", "k8s.io/", "sigs.k8s.io/", module},
	"internal":  {"github.com/sugarme/gotch", "github.com/spf13/cobra", "k8s.io/", "sigs.k8s.io/", module + "sim", module + "gnn", module + "rl", module + "benchmark", module + "cmd"},
	"cmd":       {"github.com/sugarme/gotch", module + "gnn"},
}

func TestImportsPointOneWay(t *testing.T) {
	checked := map[string]int{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		folder, _, _ := strings.Cut(filepath.ToSlash(path), "/")
		rules, ok := forbidden[folder]
		if !ok || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		checked[folder]++
		for _, i := range file.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			for _, rule := range rules {
				if strings.HasPrefix(name, rule) && !(folder == "internal" && strings.HasPrefix(path, "internal/gotchfit")) {
					t.Errorf("%s imports %s", path, name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder := range forbidden {
		if checked[folder] == 0 {
			t.Errorf("no Go file was found in %s", folder)
		}
	}
}
