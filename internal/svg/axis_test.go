package svg

import (
	"math"
	"strings"
	"testing"
)

func labels(ticks []Tick) string {
	var out []string
	for _, t := range ticks {
		out = append(out, t.Label)
	}
	return strings.Join(out, " ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name string
		axis Axis
		most int
		want string
	}{
		{"from zero", Axis{Max: 15, To: 100}, 6, "0 5 10 15"},
		{"one replica", Axis{Max: 1, To: 100}, 4, "0 0.5 1"},
		{"below zero", Axis{Min: -250, Max: -20, To: 100}, 6, "-250 -200 -150 -100 -50"},
		{"not from a round number", Axis{Min: 1.3, Max: 2.9, To: 100}, 4, "2"},
		{"large", Axis{Max: 2.2e6, To: 100}, 4, "0 1M 2M"},
		{"decades", Axis{Min: 1, Max: 1e4, To: 100, Scale: Log}, 5, "1 10 100 1000 10k"},
		{"few of many decades", Axis{Min: 0.01, Max: 1e5, To: 100, Scale: Log}, 3, "0.01 10 10k"},
		{"within a decade", Axis{Min: 10, Max: 90, To: 100, Scale: Log}, 5, "10 20 50"},
		{"shares", Axis{Max: 42, To: 100, Scale: Sqrt}, 6, "0 20 10 5 2 1"},
		{"shares up to a round one", Axis{Max: 50, To: 100, Scale: Sqrt}, 3, "0 50 20"},
		{"no shares", Axis{To: 100, Scale: Sqrt}, 5, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := labels(c.axis.Ticks(c.most)); got != c.want {
				t.Errorf("ticks %q, want %q", got, c.want)
			}
			for _, k := range c.axis.Ticks(c.most) {
				if k.At < 0 || k.At > 100 {
					t.Errorf("%s lies at %d, outside of the axis", k.Label, k.At)
				}
			}
		})
	}
}

func TestAt(t *testing.T) {
	down := Axis{Min: 0, Max: 10, From: 200, To: 100}
	log := Axis{Min: 1, Max: 1000, From: 0, To: 300, Scale: Log}
	sqrt := Axis{Max: 100, From: 0, To: 100, Scale: Sqrt}
	for _, c := range []struct {
		name string
		axis *Axis
		v    float64
		want int
	}{
		{"middle, upwards", &down, 5, 150}, {"above the end", &down, 99, 100}, {"below the beginning", &down, -1, 200},
		{"decade", &log, 10, 100}, {"nothing on a logarithmic axis", &log, 0, 0}, {"a quarter of the share is half the way", &sqrt, 25, 50},
		{"an axis of no length", &Axis{Min: 3, Max: 3, From: 7, To: 90}, 3, 7},
	} {
		if got := c.axis.At(c.v); got != c.want {
			t.Errorf("%s: %g lies at %d, want %d", c.name, c.v, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "0"}, {12, "12"}, {0.25, "0.25"}, {-1.5, "-1.5"}, {9999, "9999"}, {12500, "12.5k"}, {1.2e6, "1.2M"}, {3e9, "3G"}, {0.00002, "2e-05"},
		{100, "100"}, {0.1 + 0.2, "0.3"},
	} {
		if got := Number(c.v); got != c.want {
			t.Errorf("%g is printed as %q, want %q", c.v, got, c.want)
		}
	}
}
