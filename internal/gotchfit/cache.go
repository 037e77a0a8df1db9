package gotchfit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stamp is the file that marks a directory of the cache as complete.
const stamp = ".complete"

// digest returns 12 hexadecimal digits that stand for names and texts.
func digest(files map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%d %s %d %s", len(name), name, len(files[name]), files[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// complete tells whether dir was installed whole.
func complete(dir string) bool { return exists(filepath.Join(dir, stamp)) }

// install writes files to dir unless it is complete already. The directory
// appears whole: it is built beside its place and renamed, so that neither a
// broken run nor two at a time can leave half of one.
func install(dir string, files map[string]string) (fresh bool, err error) {
	if complete(dir) {
		return false, nil
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return false, fmt.Errorf("making the cache (set GRLSCALER_CACHE to a writable directory): %w", err)
	}
	tmp, err := os.MkdirTemp(parent, ".building-")
	if err != nil {
		return false, fmt.Errorf("writing the cache (set GRLSCALER_CACHE to a writable directory): %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return false, err
	}
	for name, text := range files {
		path := filepath.Join(tmp, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return false, err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return false, err
		}
	}
	if err := os.WriteFile(filepath.Join(tmp, stamp), nil, 0o644); err != nil {
		return false, err
	}
	// What stands in the way is incomplete, unless another process was faster.
	if exists(dir) && !complete(dir) {
		if err := os.RemoveAll(dir); err != nil {
			return false, err
		}
	}
	if err := os.Rename(tmp, dir); err != nil && !complete(dir) {
		return false, err
	}
	return true, nil
}

// readTree reads the files under dir that keep says to, by slash-separated
// path; directories that skip names are left out.
func readTree(dir string, skip []string, keep func(path string) bool) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if slices.Contains(skip, rel) {
				return filepath.SkipDir
			}
			return nil
		}
		if !keep(rel) {
			return nil
		}
		text, err := os.ReadFile(path)
		files[rel] = string(text)
		return err
	})
	return files, err
}

// readModule reads what the copy needs of gotch's source.
func readModule(dir string) (map[string]string, error) {
	files, err := readTree(dir, []string{"example", "gen"}, func(path string) bool {
		return path == "LICENSE" || !strings.HasSuffix(path, "_test.go") &&
			slices.Contains([]string{".go", ".h", ".cpp", ".mod", ".sum"}, filepath.Ext(path))
	})
	if err == nil && files["libtch/"+wrapperMain] == "" {
		err = errors.New("libtch/" + wrapperMain + " is missing in " + dir)
	}
	return files, err
}

// writeFile writes a file under a temporary name first.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".writing-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
