package trace

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Find expands directories into those of recordings: a directory that holds no meta.yaml stands for every recording
// below it, in order of their names. One that holds none at any depth stays as it is, so that reading it says what is wrong.
func Find(dirs ...string) ([]string, error) {
	var found []string
	for _, dir := range dirs {
		before := len(found)
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			if path != dir && d.Name()[0] == '.' { // what an interrupted Write left behind
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, metaFile)); err != nil {
				return nil
			}
			found = append(found, path)
			return fs.SkipDir
		})
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		if len(found) == before {
			found = append(found, dir)
		}
	}
	return found, nil
}
