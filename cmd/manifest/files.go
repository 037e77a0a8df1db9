package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxFileBytes is the size above which a file is refused: it is no manifest that someone wrote or a cluster stores.
const MaxFileBytes = 64 << 20

// Read reads a file of any name, or all *.yaml, *.yml and *.json files below a folder in the order of their names.
// Files and folders whose names begin with a dot are left out, and links to folders are not followed, as with kubectl.
func Read(path string) (*Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = filesBelow(path); err != nil {
			return nil, err
		}
	}
	r := &reader{}
	for _, file := range files {
		if err := r.file(file); err != nil {
			r.errs = append(r.errs, err)
		}
	}
	set, err := r.finish()
	if err != nil {
		return nil, err
	}
	if set.Empty() {
		return nil, fmt.Errorf("%s: nothing to read: none of its %d objects is a %s", path, len(set.Skipped), strings.Join(kindNames(), ", a "))
	}
	return set, nil
}

// Decode reads one stream of documents; name stands for it in messages.
func Decode(in io.Reader, name string) (*Set, error) {
	r := &reader{}
	if err := r.stream(in, name); err != nil {
		r.errs = append(r.errs, err)
	}
	return r.finish()
}

// filesBelow lists the manifests of a folder.
func filesBelow(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != folder && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".yaml", ".yml", ".json":
		default:
			return nil
		}
		// A link is what it leads to; a pipe or device would block.
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no *.yaml, *.yml or *.json file in this folder", folder)
	}
	return files, nil
}

// reader collects what files hold.
type reader struct {
	set  Set
	errs []error
}

func (r *reader) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("manifests: %w", err)
	}
	defer f.Close()
	return r.stream(f, path)
}

func (r *reader) stream(in io.Reader, name string) error {
	text, err := io.ReadAll(io.LimitReader(in, MaxFileBytes+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if len(text) > MaxFileBytes {
		return fmt.Errorf("%s: larger than %d MiB: not a manifest; name the manifests alone or split the file", name, MaxFileBytes>>20)
	}
	before := len(r.errs)
	r.text(name, text)
	slices.SortStableFunc(r.errs[before:], func(a, b error) int { return cmp.Compare(lineOf(a), lineOf(b)) })
	return nil
}

// finish compares objects with each other and returns the set, or every mistake.
func (r *reader) finish() (*Set, error) {
	r.compare()
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return &r.set, nil
}
