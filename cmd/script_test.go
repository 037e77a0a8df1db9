package cmd

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the scripts' expected output")

// TestMain lets scripts call the program by its name: the test binary then takes its place.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"grlscaler": func() { os.Exit(run(context.Background(), osWorld())) },
	})
}

// TestScripts runs testdata/script: one file for each command, and one for what each refuses.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("REPO", root)
			return nil
		},
	})
}
