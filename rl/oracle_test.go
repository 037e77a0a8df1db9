package rl

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
)

// The reference numbers come from Stable-Baselines3, sb3-contrib, CleanRL and Tianshou. They are read from
// $ORACLES or testdata/oracles; the tests take whatever cases are there.

func oracleBytes(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("ORACLES")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "oracles")
	}
	data, err := os.ReadFile(filepath.Join(dir, "torch", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func oracleFile(t *testing.T, name string) oracle {
	t.Helper()
	var o oracle
	if err := json.Unmarshal(oracleBytes(t, name), &o); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if o.Format != "grlscaler-torch-oracle/1" || len(o.Cases) == 0 {
		t.Fatalf("%s: format %q with %d cases", name, o.Format, len(o.Cases))
	}
	return o
}

type oracle struct {
	Format    string
	Tolerance json.RawMessage
	Cases     []oracleCase
}

type oracleCase struct {
	Name          string
	Config        json.RawMessage
	Weights       map[string]array
	Inputs        map[string]json.RawMessage
	Expected      map[string]json.RawMessage
	ExpectedGrads map[string]array `json:"expected_grads"`
}

// array is one tensor of an oracle file. Values parse as float64; float32 data has 9 digits and comes back bit
// for bit when rounded.
type array struct {
	DType string
	Shape []int
	Data  []number
}

// number is a JSON number or the string "nan".
type number float64

func (n *number) UnmarshalJSON(data []byte) error {
	if string(data) == `"nan"` {
		*n = number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

func (a array) float32s() []float32 {
	v := make([]float32, len(a.Data))
	for i, x := range a.Data {
		v[i] = float32(x)
	}
	return v
}

func (a array) float64s() []float64 {
	v := make([]float64, len(a.Data))
	for i, x := range a.Data {
		v[i] = float64(x)
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

func (a array) int64s() []int64 {
	v := make([]int64, len(a.Data))
	for i, x := range a.Data {
		v[i] = int64(x)
	}
	return v
}

func (a array) int32s() []int32 {
	v := make([]int32, len(a.Data))
	for i, x := range a.Data {
		v[i] = int32(x)
	}
	return v
}

func (a array) dims() []int64 {
	v := make([]int64, len(a.Shape))
	for i, x := range a.Shape {
		v[i] = int64(x)
	}
	return v
}

func (a array) tensor(s *gnn.Scope) gnn.Tensor {
	switch a.DType {
	case "int64":
		return s.Int64s(a.int64s(), a.dims()...)
	case "bool":
		return s.Bools(a.bools(), a.dims()...)
	}
	return s.Float32s(a.float32s(), a.dims()...)
}

// field decodes one entry of an object of the file; the test fails where it is missing.
func field[T any](t *testing.T, object map[string]json.RawMessage, key string) T {
	t.Helper()
	raw, ok := object[key]
	if !ok {
		t.Fatalf("the case has no %q", key)
	}
	return decoded[T](t, raw)
}

func decoded[T any](t *testing.T, raw json.RawMessage) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

type tolerance struct{ Rtol, Atol float64 }

// tolerance returns the file's tolerance for a group of fields.
func (o oracle) tolerance(t *testing.T, group string) tolerance {
	t.Helper()
	tol := decoded[tolerance](t, o.Tolerance)
	if g, ok := decoded[map[string]json.RawMessage](t, o.Tolerance)[group]; ok {
		tol = decoded[tolerance](t, g)
	}
	return tol
}

// near compares a number with the reference's.
func (tol tolerance) near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(want) && math.IsNaN(got) {
		return
	}
	if !(math.Abs(got-want) <= tol.Atol+tol.Rtol*math.Abs(want)) {
		t.Errorf("%s = %v, want %v (off by %.2g, allowed %.2g)", what, got, want, math.Abs(got-want), tol.Atol+tol.Rtol*math.Abs(want))
	}
}

// all compares arrays; the report names the first few elements that are off.
func (tol tolerance) all(t *testing.T, what string, got []float32, want array) {
	t.Helper()
	if len(got) != len(want.Data) {
		t.Errorf("%s has %d elements, want %d", what, len(got), len(want.Data))
		return
	}
	for i, w := range want.Data {
		tol.near(t, fmt.Sprintf("%s[%d]", what, i), float64(got[i]), float64(w))
		if t.Failed() && i > 4 {
			return
		}
	}
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// onTorch runs f on a torch thread with a scope of its own; an error fails the test.
func onTorch(t testing.TB, f func(s *gnn.Scope) error) {
	t.Helper()
	torch, err := gnn.StartTorch(1)
	if err != nil {
		t.Fatal(err)
	}
	defer torch.Close()
	if err := torch.Scoped(f); err != nil {
		t.Fatal(err)
	}
}
