package strictyaml

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

type sample struct {
	A    float64       `yaml:"a"`
	N    int           `yaml:"n"`
	Wait time.Duration `yaml:"wait"`
	List []struct {
		X float64 `yaml:"x"`
	} `yaml:"list"`
}

func TestDecodeRefuses(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"unknown key", "a: 1\nb: 2\n", `f.yaml:2: unknown key "b"`},
		{"unknown nested key", "list:\n  - x: 1\n    y: 2\n", `f.yaml:3: unknown key "y"`},
		{"duplicate key", "a: 1\na: 2\n", `f.yaml:2: key "a" is given twice, first on line 1`},
		{"NaN", "a: .nan\n", "f.yaml:1: a: .nan is not a finite number"},
		{"infinity", "list:\n  - x: -.inf\n", "f.yaml:2: list[0].x: -.inf is not a finite number"},
		{"overflow", "a: 1e999\n", "f.yaml:1"},
		{"second document", "a: 1\n---\na: 2\n", "second YAML document"},
		{"empty", "# nothing\n", "f.yaml: the file is empty"},
		{"wrong type", "a: [1]\n", "f.yaml:1: found a list where a number is needed"},
		{"fraction for a whole number", "n: 1.5\n", "f.yaml:1: n: 1.5 is not a whole number"},
		{"no duration", "wait: soon\n", "f.yaml:1: found a text `soon` where a duration like 15s or 2m is needed"},
		{"alias", "a: &x 1\nn: *x\n", "f.yaml:2: n: YAML aliases"},
		{"not YAML", "a: [1\n", "f.yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var v sample
			_, err := Decode(strings.NewReader(tc.in), "f.yaml", &v)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestErrorfNamesTheLine(t *testing.T) {
	var v sample
	doc, err := Decode(strings.NewReader("a: 1\nlist:\n  - x: 1\n  - x: -2\n"), "f.yaml", &v)
	if err != nil {
		t.Fatal(err)
	}
	if got := doc.Errorf("list[1].x", "must not be negative, found %v", v.List[1].X).Error(); got != "f.yaml:4: list[1].x: must not be negative, found -2" {
		t.Error(got)
	}
	if got := doc.Line("list[1].missing"); got != 4 {
		t.Errorf("a missing key is reported on line %d, want the line of its parent, 4", got)
	}
}

func TestSplit(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	if got := Split(errors.Join(a, errors.Join(b, nil, c))); !slices.Equal(got, []error{a, b, c}) {
		t.Errorf("got %v", got)
	}
	if got := Split(a); !slices.Equal(got, []error{a}) {
		t.Errorf("a single error: %v", got)
	}
	if got := Split(nil); got != nil {
		t.Errorf("nil: %v", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("a: 1\nlist:\n  - x: 2\n")
	f.Add("a: .nan")
	f.Fuzz(func(_ *testing.T, in string) {
		var v sample
		_, _ = Decode(strings.NewReader(in), "f.yaml", &v) // must not panic
	})
}
