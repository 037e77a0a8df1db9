// Package configs holds the configuration files that are built into the program: applications, scenarios,
// policies, incidents and queries to Prometheus. Each is an ordinary YAML file, so that a user can copy one, change it and pass its path instead of a name.
package configs

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

//go:embed apps scenarios policies queries incidents
var files embed.FS

// Kind is a folder of this package.
type Kind string

// The kinds of configuration.
const (
	Apps      Kind = "apps"
	Scenarios Kind = "scenarios"
	Policies  Kind = "policies"
	Queries   Kind = "queries"
	Incidents Kind = "incidents"
)

// singular is the kind's name in messages.
var singular = map[Kind]string{Apps: "application", Scenarios: "scenario", Policies: "policy configuration", Queries: "set of queries", Incidents: "incident"}

// Names lists the built-in files of a kind without their ending, sorted; those of sub-folders as folder/name.
func Names(kind Kind) []string {
	var names []string
	// The folders are embedded, so walking them cannot fail.
	_ = fs.WalkDir(files, string(kind), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Ext(p) == ".yaml" {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(p, string(kind)+"/"), ".yaml"))
		}
		return err
	})
	slices.Sort(names)
	return names
}

// File is the text of a configuration and the name that messages show for it.
type File struct {
	Name string
	Data []byte
}

// Reader reads the text from the beginning.
func (f *File) Reader() *bytes.Reader { return bytes.NewReader(f.Data) }

// IsPath tells whether a user's word is the path of a file rather than a built-in name.
func IsPath(word string) bool {
	return strings.HasSuffix(word, ".yaml") || strings.HasSuffix(word, ".yml") || strings.HasPrefix(word, ".") || strings.HasPrefix(word, "/")
}

// Read returns the built-in file of that name, or the file at that path (see [IsPath]).
func Read(kind Kind, word string) (*File, error) {
	if IsPath(word) {
		data, err := os.ReadFile(word)
		if err != nil {
			return nil, fmt.Errorf("reading the %s file: %w", singular[kind], err)
		}
		return &File{Name: word, Data: data}, nil
	}
	name := string(kind) + "/" + word + ".yaml"
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("unknown %s %q; built in are %s, or give the path of a .yaml file", singular[kind], word, strings.Join(Names(kind), ", "))
	}
	return &File{Name: name, Data: data}, nil
}
