package gnn

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The reference numbers of testdata/oracles/torch: see the README there for the format. ORACLES names
// another directory with files of the same form.

type oracleFile struct {
	Format, Topic string
	Tolerance     map[string]json.RawMessage
	Cases         []oracleCase
}

type oracleCase struct {
	Name          string
	Note          string
	Config        map[string]json.RawMessage
	Weights       map[string]array
	Inputs        map[string]json.RawMessage
	Expected      map[string]json.RawMessage
	ExpectedGrads struct {
		Weights map[string]array
		Inputs  map[string]array
		Logits  *array
	} `json:"expected_grads"`
}

// array is one tensor of an oracle file.
type array struct {
	DType string
	Shape []int64
	Data  []float64
}

func (a *array) UnmarshalJSON(b []byte) error {
	var raw struct {
		DType string            `json:"dtype"`
		Shape []int64           `json:"shape"`
		Data  []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	a.DType, a.Shape = raw.DType, raw.Shape
	for _, r := range raw.Data {
		var v float64
		switch string(r) {
		case `"nan"`:
			v = math.NaN()
		case "true":
			v = 1
		case "false":
		default:
			if err := json.Unmarshal(r, &v); err != nil {
				return err
			}
		}
		a.Data = append(a.Data, v)
	}
	return nil
}

// tensor makes the array a tensor of its own type.
func (a array) tensor(s *Scope) Tensor {
	switch a.DType {
	case "int64":
		return s.Int64s(a.ints(), a.Shape...)
	case "bool":
		return s.Bools(a.bools(), a.Shape...)
	}
	return s.Float32s(a.floats(), a.Shape...)
}

func (a array) floats() []float32 {
	v := make([]float32, len(a.Data))
	for i, x := range a.Data {
		v[i] = float32(x)
	}
	return v
}

func (a array) ints() []int64 {
	v := make([]int64, len(a.Data))
	for i, x := range a.Data {
		v[i] = int64(x)
	}
	return v
}

func (a array) bools() []bool {
	v := make([]bool, len(a.Data))
	for i, x := range a.Data {
		v[i] = x != 0
	}
	return v
}

type tolerance struct{ RTol, ATol float64 }

func (o oracleFile) tolerance(t *testing.T, group string) tolerance {
	t.Helper()
	tol := tolerance{1e-5, 1e-6}
	if group == "grads" {
		tol.RTol = 1e-4
	}
	read := func(m map[string]json.RawMessage) {
		for k, p := range map[string]*float64{"rtol": &tol.RTol, "atol": &tol.ATol} {
			if raw, ok := m[k]; ok {
				if err := json.Unmarshal(raw, p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if group == "" {
		read(o.Tolerance)
	} else if raw, ok := o.Tolerance[group]; ok {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		read(m)
	}
	return tol
}

// loadOracle reads one topic and fails the test when it has no cases.
func loadOracle(t *testing.T, topic string) oracleFile {
	t.Helper()
	dir := os.Getenv("ORACLES")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "oracles")
	}
	b, err := os.ReadFile(filepath.Join(dir, "torch", topic+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var o oracleFile
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	if o.Topic != topic || !strings.HasPrefix(o.Format, "grlscaler-torch-oracle/") || len(o.Cases) == 0 {
		t.Fatalf("%s: format %q, topic %q, %d cases", topic, o.Format, o.Topic, len(o.Cases))
	}
	return o
}

// get decodes one field of a map of raw JSON; ok is false when it is absent or null.
func get[T any](t *testing.T, m map[string]json.RawMessage, key string) (v T, ok bool) {
	t.Helper()
	raw, ok := m[key]
	if !ok || string(raw) == "null" {
		return v, false
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return v, true
}

// need is get for a field that must be there.
func need[T any](t *testing.T, m map[string]json.RawMessage, key string) T {
	t.Helper()
	v, ok := get[T](t, m, key)
	if !ok {
		t.Fatalf("no %s", key)
	}
	return v
}

// near compares values with a tolerance; NaN equals NaN.
func near(t *testing.T, what string, got []float32, want []float64, tol tolerance) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i, w := range want {
		g := float64(got[i])
		if math.IsNaN(w) && math.IsNaN(g) {
			continue
		}
		if !(math.Abs(g-w) <= tol.ATol+tol.RTol*math.Abs(w)) {
			t.Errorf("%s[%d] = %.9g, want %.9g", what, i, g, w)
			return
		}
	}
}

// setWeights overwrites built parameters with those of a case; every name must match both ways.
func setWeights(t *testing.T, p *Params, prefix string, w map[string]array) {
	t.Helper()
	if len(w) != len(p.All()) {
		t.Fatalf("%d weights in the case, %d in the model", len(w), len(p.All()))
	}
	for name, a := range w {
		q := p.Lookup(prefix + name)
		if q == nil || fmt.Sprint(q.Shape) != fmt.Sprint(a.Shape) {
			t.Fatalf("weight %s %v does not fit the model: %+v", name, a.Shape, q)
		}
		copy(p.ValuesOf(q), a.floats())
	}
}

// checkGrads compares the gradients of all weights and of the given inputs.
func checkGrads(t *testing.T, s *Scope, c oracleCase, p *Params, prefix string, inputs map[string]Tensor, tol tolerance) {
	t.Helper()
	for name, a := range c.ExpectedGrads.Weights {
		near(t, "grad of "+name, p.GradsOf(p.Lookup(prefix+name)), a.Data, tol)
	}
	for name, a := range c.ExpectedGrads.Inputs {
		x, ok := inputs[name]
		if !ok {
			t.Errorf("gradient of input %s is not computed", name)
			continue
		}
		near(t, "grad of "+name, s.ToFloat32s(s.Grad(x)), a.Data, tol)
	}
}

// leaf makes an input that gradients are wanted for.
func leaf(s *Scope, a array) Tensor { return s.RequireGrad(a.tensor(s)) }

// edgesOf makes edges of an edge_index array [2, E].
func edgesOf(s *Scope, a array, numSrc, numDst int64) Edges {
	v := a.ints()
	return s.Edges(v[:len(v)/2], v[len(v)/2:], int(numSrc), int(numDst))
}
