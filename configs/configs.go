// Package configs holds the configuration files that are built into the program: applications, scenarios,
// policies, incidents and queries to Prometheus. Each is an ordinary YAML file, so that a user can copy one, change it and pass its path instead of a name.
package configs

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
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
		if err == nil && d.IsDir() && d.Name() == trainedFolder {
			return fs.SkipDir
		}
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

// trainedFolder, among the policies, holds what they come to.
const trainedFolder = "trained"

// Trained is a policy that comes with the program: weights, learning curve, and how it was made.
type Trained struct {
	Path    string // of the weights, for messages
	Weights []byte
	Curve   []byte // progress.csv
	Made    Made
}

// Made is how a policy was made, as made.yaml beside it says.
type Made struct {
	Training string `yaml:"training"` // the training's name: <configuration>-<hash of configuration, application and load>
	Command  string `yaml:"command"`
	Seed     uint64 `yaml:"seed"`
	Version  string `yaml:"version"` // of the program that made it
}

// TrainedPolicy returns the shipped policy of a name, such as gat_ppo; nil if there is none.
func TrainedPolicy(name string) (*Trained, error) {
	dir := path.Join(string(Policies), trainedFolder, name)
	t := &Trained{Path: path.Join(dir, "policy.safetensors")}
	var err error
	if t.Weights, err = files.ReadFile(t.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	made := []byte(nil)
	for file, data := range map[string]*[]byte{"progress.csv": &t.Curve, "made.yaml": &made} {
		var e error
		*data, e = files.ReadFile(path.Join(dir, file))
		err = errors.Join(err, e)
	}
	if err = errors.Join(err, yaml.Unmarshal(made, &t.Made)); err != nil {
		return nil, fmt.Errorf("shipped policy %s: %w", name, err)
	}
	return t, nil
}

// TrainedNames lists the shipped policies.
func TrainedNames() []string {
	entries, _ := files.ReadDir(path.Join(string(Policies), trainedFolder)) // embedded: it is there or empty
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

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
