package validate

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// Named is a recording with the name that results show.
type Named struct {
	Name string
	*trace.Recording
}

// ReadAll reads the recordings in dirs, and those below a directory that is none, named after their directories.
func ReadAll(opt trace.ReadOptions, dirs ...string) ([]Named, error) {
	found, err := trace.Find(dirs...)
	if err != nil {
		return nil, err
	}
	var all []Named
	for _, dir := range found {
		rec, err := trace.ReadWith(dir, opt)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(filepath.Clean(dir))
		if slices.ContainsFunc(all, func(n Named) bool { return n.Name == name }) {
			name = filepath.Clean(dir)
		}
		all = append(all, Named{name, rec})
	}
	return all, nil
}

// CompareAll compares every recording, workers at a time; results are in the order of recs and do not depend on workers.
// done, if given, is called after each, by one goroutine at a time. The first error in order is returned.
func CompareAll(ctx context.Context, app *sim.App, recs []Named, opt Options, workers int, done func(name string)) ([]*Result, error) {
	results, errs := make([]*Result, len(recs)), make([]error, len(recs))
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range max(1, workers) {
		wg.Go(func() {
			for i := range next {
				results[i], errs[i] = Compare(app, recs[i].Name, recs[i].Recording, opt)
				if done != nil && errs[i] == nil {
					mu.Lock()
					done(recs[i].Name)
					mu.Unlock()
				}
			}
		})
	}
	for i := range recs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("comparing recordings: %w", err)
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}
