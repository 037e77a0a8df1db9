package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain runs the command itself when the tests ask for it.
func TestMain(m *testing.M) {
	if os.Getenv("GOTCHFIT_TEST_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestMissingLibtorch holds what a user sees without libtorch: exit code 1
// and one line that names the cause and the cure.
func TestMissingLibtorch(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-C", dir)
	cmd.Env = append(os.Environ(), "GOTCHFIT_TEST_MAIN=1", "LIBTORCH="+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code %d (%v), want 1", cmd.ProcessState.ExitCode(), err)
	}
	want := "gotchfit: LIBTORCH=" + dir + ": libtorch.so is missing in " + dir + "/lib; give the directory of an unpacked libtorch, the one that holds include/ and lib/\n"
	if stderr.String() != want {
		t.Errorf("stderr is %q, want %q", stderr.String(), want)
	}
	if stdout.Len() > 0 || strings.Contains(stderr.String(), "usage") {
		t.Errorf("stdout is %q, want nothing", stdout.String())
	}
	if _, err := os.Stat(dir + "/go.work"); err == nil {
		t.Error("go.work was written")
	}
}
