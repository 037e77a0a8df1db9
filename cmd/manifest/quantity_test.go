package manifest

import (
	"math"
	"math/big"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

// TestScaled: thousandths and units, what is rounded, and what does not fit.
func TestScaled(t *testing.T) {
	for _, tt := range []struct {
		q         string
		digits    int
		want      int64
		exact, ok bool
	}{
		{"0", 3, 0, true, true},
		{"250m", 3, 250, true, true},
		{"0.25", 3, 250, true, true},
		{"1.5Gi", 0, 1_610_612_736, true, true},
		{"1e3", 0, 1000, true, true},
		{"1E3", 3, 1_000_000, true, true},
		{"1E", 0, 1e18, true, true}, // exa, not an exponent
		{"1n", 3, 1, false, true},
		{"-1n", 3, -1, false, true},
		{"1001u", 3, 2, false, true},
		{"999m", 0, 1, false, true},
		{"9223372036854775807", 0, math.MaxInt64, true, true},
		{"9223372036854775808", 0, 0, true, false},
		{"9223372036854775807m", 3, math.MaxInt64, true, true},
		{"9223372036854775.808", 3, 0, true, false},
		{"1e99", 0, 0, true, false},
	} {
		q, err := parseQuantity(tt.q)
		if err != nil {
			t.Errorf("%s: %v", tt.q, err)
			continue
		}
		got, exact, ok := scaled(q, tt.digits)
		if exact != tt.exact || ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s with %d digits: %d, exact %v, ok %v; want %d, %v, %v", tt.q, tt.digits, got, exact, ok, tt.want, tt.exact, tt.ok)
		}
	}
}

// TestQuantityForms: what parseQuantity accepts is what Kubernetes accepts, up to the bounds on digits and exponents.
func TestQuantityForms(t *testing.T) {
	for _, s := range []string{"", "1 m", "1MB", "1kb", "1mi", "0x10", "1e", "1e1.5", "1_000", "NaN", "Inf", "1..2", "--1", "1K", "１"} {
		if _, err := parseQuantity(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
		if _, err := resource.ParseQuantity(s); err == nil {
			t.Errorf("%q is accepted by Kubernetes", s)
		}
	}
	// Kubernetes takes a missing number for 0, and writes out the digits of any exponent.
	for _, s := range []string{"m", ".", "+", "-", "1e100", "1e1000000000", "1e-100"} {
		if _, err := parseQuantity(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[+-]?([0-9]{1,20}(\.[0-9]{0,12})?|\.[0-9]{1,12})([eE][+-]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?`).Draw(t, "quantity")
		_, mine := parseQuantity(s)
		_, theirs := resource.ParseQuantity(s)
		if (mine == nil) != (theirs == nil) {
			t.Errorf("%q: %v, Kubernetes says %v", s, mine, theirs)
		}
	})
}

// TestScaledIsMilliValue: where Kubernetes' own conversions do not wrap around, the result is theirs. (Of negative amounts
// below a billionth it makes positive ones.)
func TestScaledIsMilliValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[0-9]{1,12}(\.[0-9]{1,9})?[numk]?`).Draw(t, "quantity")
		q := resource.MustParse(s)
		if got, _, ok := scaled(q, 3); !ok || got != q.MilliValue() {
			t.Errorf("%s: %d thousandths, ok %v; Kubernetes says %d", s, got, ok, q.MilliValue())
		}
		if got, _, ok := scaled(q, 0); !ok || got != q.Value() {
			t.Errorf("%s: %d, ok %v; Kubernetes says %d", s, got, ok, q.Value())
		}
	})
}

// TestScaledIsExact: exact means that nothing is lost.
func TestScaledIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		millis := rapid.Int64().Draw(t, "millis")
		got, exact, ok := scaled(*resource.NewMilliQuantity(millis, resource.DecimalSI), 3)
		if !exact || !ok || got != millis {
			t.Errorf("%d thousandths come back as %d, exact %v, ok %v", millis, got, exact, ok)
		}
		nanos := rapid.Int64().Draw(t, "nanos")
		up, exact, _ := scaled(*resource.NewScaledQuantity(nanos, resource.Nano), 3)
		rest := new(big.Int).Sub(new(big.Int).Mul(big.NewInt(up), big.NewInt(1e6)), big.NewInt(nanos))
		if exact != (rest.Sign() == 0) || rest.CmpAbs(big.NewInt(1e6)) >= 0 || rest.Sign()*big.NewInt(nanos).Sign() < 0 {
			t.Errorf("%d billionths are %d thousandths, exact %v", nanos, up, exact)
		}
	})
}
