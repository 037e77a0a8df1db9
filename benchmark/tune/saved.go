package tune

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/grlscaler/grlscaler/sim"
)

// savedFormat is the format of a file of found settings that this version writes, and the newest it reads.
const savedFormat = 1

// Saved is the outcome of a search, kept so that nobody searches twice.
type Saved struct {
	Format    int      `json:"format"`
	Key       string   `json:"key"` // of all that the search depended on
	Objective string   `json:"objective"`
	Version   string   `json:"version"` // of the program that searched
	Trials    int      `json:"trials"`
	About     string   `json:"about"` // the settings in words
	Services  []string `json:"services"`
	Settings  []Params `json:"settings"` // by service
	Score     Score    `json:"score"`    // on the load of the search
}

// Save gives the bytes that Load reads.
func Save(app *sim.App, key, version string, objective Objective, found *Result) ([]byte, error) {
	s := Saved{Format: savedFormat, Key: key, Objective: objective.String(), Version: version, Trials: len(found.All), About: found.Best.Describe(), Settings: found.Best.Params, Score: found.Best.Score}
	for i := range app.Services {
		s.Services = append(s.Services, app.Services[i].Name)
	}
	data, err := json.MarshalIndent(&s, "", " ")
	return append(data, '\n'), err
}

// Load reads what Save wrote for this application under this key. ok is false if there is no file.
func Load(path, key string, app *sim.App) (s *Saved, c *Candidate, ok bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, fmt.Errorf("found HPA settings: %w", err)
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("found HPA settings %s: %s; delete it, and they are searched again", path, fmt.Sprintf(format, args...))
	}
	s = &Saved{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, nil, false, bad("%v", err)
	}
	if s.Format > savedFormat {
		return nil, nil, false, bad("format %d, this version reads up to %d", s.Format, savedFormat)
	}
	if s.Key != key || len(s.Settings) != len(app.Services) || len(s.Services) != len(app.Services) {
		return nil, nil, false, bad("it is of another search")
	}
	for i := range app.Services {
		b, p := boundsOf(&app.Services[i]), &s.Settings[i]
		if s.Services[i] != app.Services[i].Name || p.CPUPercent < 1 || p.CPUPercent > b.mostPercent || p.MinReplicas < b.minReplicas || p.MinReplicas > b.maxReplicas {
			return nil, nil, false, bad("settings of %s do not fit the service", app.Services[i].Name)
		}
	}
	return s, &Candidate{Params: s.Settings, Score: s.Score}, true, nil
}
