// Package learningcurve reads the learning curve of a training, progress.csv.
package learningcurve

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Decode reads columns of a file progress.csv, the learning curve of a training that is over or goes on: row by row, NaN where a
// cell is empty. A last row that is being written is left out.
func Decode(data []byte, names ...string) ([][]float64, error) {
	in := csv.NewReader(bytes.NewReader(data[:bytes.LastIndexByte(data, '\n')+1]))
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("learning curve: header: %w", err)
	}
	rows, err := in.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("learning curve: %w", err)
	}
	out := make([][]float64, len(names))
	for i, name := range names {
		k := slices.Index(header, name)
		if k < 0 {
			return nil, fmt.Errorf("learning curve: there is no column %s", name)
		}
		for n, row := range rows {
			v := math.NaN()
			if row[k] != "" {
				if v, err = strconv.ParseFloat(row[k], 64); err != nil {
					return nil, fmt.Errorf("learning curve, line %d: %s: %q is not a number", n+2, name, row[k])
				}
			}
			out[i] = append(out[i], v)
		}
	}
	return out, nil
}
