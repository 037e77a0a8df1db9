package rl

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
)

// ReadCurve reads columns of the learning curve of a training that is over or goes on: row by row, NaN where a cell is empty. A last
// row that is being written is left out.
func ReadCurve(path string, names ...string) ([][]float64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("learning curve: %w", err)
	}
	in := csv.NewReader(bytes.NewReader(data[:bytes.LastIndexByte(data, '\n')+1]))
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("learning curve %s: header: %w", path, err)
	}
	rows, err := in.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("learning curve %s: %w", path, err)
	}
	out := make([][]float64, len(names))
	for i, name := range names {
		k := slices.Index(header, name)
		if k < 0 {
			return nil, fmt.Errorf("learning curve %s: there is no column %s", path, name)
		}
		for n, row := range rows {
			v := math.NaN()
			if row[k] != "" {
				if v, err = strconv.ParseFloat(row[k], 64); err != nil {
					return nil, fmt.Errorf("learning curve %s:%d: %s: %q is not a number", path, n+2, name, row[k])
				}
			}
			out[i] = append(out[i], v)
		}
	}
	return out, nil
}
