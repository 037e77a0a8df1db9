package promclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// apiAnswer is the JSON of an answer, values left as they were sent.
type apiAnswer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Infos     []string `json:"infos,omitempty"`
	Data      apiData  `json:"data"`
}

type apiData struct {
	ResultType string      `json:"resultType"`
	Result     []apiSeries `json:"result"`
}

// apiSeries is one series: its labels and its samples, a JSON list.
type apiSeries struct {
	Metric     map[string]string `json:"metric"`
	Values     json.RawMessage   `json:"values,omitempty"`
	Histograms json.RawMessage   `json:"histograms,omitempty"`
}

// Fetch asks every query for the whole range. It returns all answers or none.
func (c *Client) Fetch(ctx context.Context, queries []Query, r Range) ([]trace.Answer, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	parts := r.Parts(c.opt.Points)
	all := make([]trace.Answer, 0, len(queries))
	for i, q := range queries {
		joined := &apiAnswer{Status: "success", Data: apiData{ResultType: "matrix", Result: []apiSeries{}}}
		index := map[string]int{}
		for k, part := range parts {
			c.opt.Progress(i*len(parts)+k, len(queries)*len(parts), q.Quantity)
			answer, err := c.ask(ctx, q.Text, part)
			if err == nil {
				err = joined.join(answer, index)
			}
			if err != nil {
				return nil, fmt.Errorf("asking %s for %s: %w", c.Host(), q.Quantity, err)
			}
		}
		data, err := json.Marshal(joined)
		if err != nil {
			return nil, fmt.Errorf("asking %s for %s: %w", c.Host(), q.Quantity, err)
		}
		all = append(all, trace.Answer{Quantity: q.Quantity, File: q.Quantity + ".json", Data: append(data, '\n')})
	}
	c.opt.Progress(len(queries)*len(parts), len(queries)*len(parts), "")
	return all, nil
}

// join adds the answer for the part of the range that follows. index maps the labels of series to their places.
func (a *apiAnswer) join(next *apiAnswer, index map[string]int) error {
	for _, text := range next.Warnings {
		if !slices.Contains(a.Warnings, text) {
			a.Warnings = append(a.Warnings, text)
		}
	}
	for _, text := range next.Infos {
		if !slices.Contains(a.Infos, text) {
			a.Infos = append(a.Infos, text)
		}
	}
	for _, s := range next.Data.Result {
		key, err := json.Marshal(s.Metric) // keys sorted
		if err != nil {
			return err
		}
		i, ok := index[string(key)]
		if !ok {
			index[string(key)] = len(a.Data.Result)
			a.Data.Result = append(a.Data.Result, s)
			continue
		}
		old := &a.Data.Result[i]
		if old.Values, err = joinLists(old.Values, s.Values); err == nil {
			old.Histograms, err = joinLists(old.Histograms, s.Histograms)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// joinLists makes one JSON list of two.
func joinLists(a, b json.RawMessage) (json.RawMessage, error) {
	a, b = bytes.TrimSpace(a), bytes.TrimSpace(b)
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...), nil
	}
	if a[0] != '[' || b[0] != '[' {
		return nil, errors.New("the samples of a series are not a list")
	}
	first, rest := bytes.TrimSpace(a[1:len(a)-1]), bytes.TrimSpace(b[1:len(b)-1])
	if len(first) == 0 {
		return b, nil
	}
	if len(rest) == 0 {
		return a, nil
	}
	return slices.Concat([]byte("["), first, []byte(","), rest, []byte("]")), nil
}

// Save writes answers to the new directory dir, one file for each, and beside them the queries, in the form of a set. It writes all of
// them or nothing.
func Save(dir string, answers []trace.Answer, queries []Query) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("saving answers in %q: %w", dir, err)
		}
	}()
	dir = filepath.Clean(dir)
	entries, err := os.ReadDir(dir)
	there := err == nil
	switch {
	case len(entries) > 0:
		return errors.New("the directory exists and is not empty; name another")
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".tmp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // what is left after a failure
	fresh := filepath.Join(tmp, "new")
	if err := os.Mkdir(fresh, 0o777); err != nil {
		return err
	}
	for _, a := range answers {
		if err := writeFile(filepath.Join(fresh, a.Quantity+".json"), a.Data); err != nil {
			return err
		}
	}
	if err := writeFile(filepath.Join(fresh, "queries.yaml"), EncodeSet(queries)); err != nil {
		return err
	}
	if there { // and empty
		if err := os.Remove(dir); err != nil {
			return err
		}
	}
	return os.Rename(fresh, dir)
}

// writeFile writes a file and makes sure that it is on the disk.
func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
