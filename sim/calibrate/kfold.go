package calibrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim/validate"
)

// Folds deals recordings out to k parts, in order of their names so that neighbours, which are alike, go to different parts.
// A repeat, named like another recording with an r behind, stays with it: apart, one would be fitted to answer the other.
func Folds(recs []validate.Named, k int) [][]validate.Named {
	var names []string
	for _, r := range recs {
		names = append(names, r.Name)
	}
	key := func(name string) string {
		if first, ok := strings.CutSuffix(name, "r"); ok && slices.Contains(names, first) {
			return first
		}
		return name
	}
	var keys []string
	for _, n := range names {
		keys = append(keys, key(n))
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	folds := make([][]validate.Named, min(k, len(keys)))
	for _, r := range recs {
		i := slices.Index(keys, key(r.Name)) % len(folds)
		folds[i] = append(folds[i], r)
	}
	return folds
}

// CrossValidation is what fits to a part of the recordings say of the rest.
type CrossValidation struct {
	Fits []*Result      // by fold
	Rows []validate.Row // of all folds, each predicted by the fit that has not seen it
}

// CrossValidate fits the application once for each of k folds of recs, to the recordings of the other folds and those of
// always, and compares its predictions with the fold.
func CrossValidate(ctx context.Context, src Source, recs, always []validate.Named, k int, opt Options, compare validate.Options) (*CrossValidation, error) {
	if k < 2 {
		return nil, errors.New("calibration: cross-validation needs at least 2 folds")
	}
	folds := Folds(recs, k)
	if len(folds) < 2 {
		return nil, errors.New("calibration: cross-validation needs at least 2 recordings that are no repeats of each other")
	}
	cv := &CrossValidation{}
	for i, fold := range folds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		train := slices.Clone(always)
		for j, other := range folds {
			if j != i {
				train = append(train, other...)
			}
		}
		fit, err := Fit(ctx, src, train, opt)
		if err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", i+1, len(folds), err)
		}
		results, err := validate.CompareAll(ctx, fit.App, fold, compare, opt.Workers, nil)
		if err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", i+1, len(folds), err)
		}
		cv.Fits = append(cv.Fits, fit)
		cv.Rows = append(cv.Rows, validate.All(results)...)
	}
	return cv, nil
}
