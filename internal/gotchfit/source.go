package gotchfit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ModulePath is gotch's import path.
const ModulePath = "github.com/sugarme/gotch"

// Source is gotch as published, in Go's module cache.
type Source struct {
	Version string
	Dir     string
}

// FindSource returns the gotch that the module in root requires, downloading
// it if the module cache lacks it.
func FindSource(ctx context.Context, root string) (Source, error) {
	out, err := goCommand(ctx, root, "mod", "edit", "-json")
	if err != nil {
		return Source{}, err
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		return Source{}, fmt.Errorf("go mod edit -json: %w", err)
	}
	for _, r := range mod.Require {
		if r.Path == ModulePath {
			return Download(ctx, root, r.Version)
		}
	}
	return Source{}, fmt.Errorf("%s does not require %s", filepath.Join(root, "go.mod"), ModulePath)
}

// Download returns one version of gotch in the module cache.
func Download(ctx context.Context, root, version string) (Source, error) {
	out, err := goCommand(ctx, root, "mod", "download", "-json", ModulePath+"@"+version)
	var info struct{ Version, Dir, Error string }
	if jsonErr := json.Unmarshal(out, &info); jsonErr == nil && info.Error != "" {
		return Source{}, fmt.Errorf("downloading gotch %s: %s", version, info.Error)
	} else if err != nil {
		return Source{}, err
	} else if jsonErr != nil {
		return Source{}, fmt.Errorf("go mod download -json: %w", jsonErr)
	}
	return Source{Version: info.Version, Dir: info.Dir}, nil
}

// goCommand runs the go command outside any workspace, whose go.work may
// point to a copy that is gone.
func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("no go command on the PATH: install Go 1.25 or newer")
	} else if err != nil {
		return out, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, lastLine(stderr.String()))
	}
	return out, nil
}

// WriteWorkspace writes root's go.work, in which gotch is the copy in dir. It
// leaves a file that already says so alone.
func WriteWorkspace(ctx context.Context, root, dir string) error {
	out, err := goCommand(ctx, root, "mod", "edit", "-json")
	if err != nil {
		return err
	}
	var mod struct{ Go string }
	if err := json.Unmarshal(out, &mod); err != nil {
		return fmt.Errorf("go mod edit -json: %w", err)
	}
	text := fmt.Sprintf("// Written by make setup: gotch, fitted to the libtorch on this machine.\n\ngo %s\n\nuse .\n\nreplace %s => %q\n", mod.Go, ModulePath, dir)
	path := filepath.Join(root, "go.work")
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	return writeFile(path, text)
}
