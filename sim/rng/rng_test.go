package rng

import (
	"bytes"
	"math"
	"testing"
)

func TestStreamsAreNamed(t *testing.T) {
	a, b, again := New(1, "arrivals"), New(1, "start-up"), New(1, "arrivals")
	x, y, z := a.Uint64(), b.Uint64(), again.Uint64()
	if x == y {
		t.Error("streams of different names gave the same number")
	}
	if x != z {
		t.Error("the same name and seed gave different numbers")
	}
	if New(2, "arrivals").Uint64() == x {
		t.Error("another seed gave the same number")
	}
	// ("a","b") and ("ab") are different paths, and so are "1" and 1.
	if New(1, "a", "b").Uint64() == New(1, "ab").Uint64() || New(1, "1").Uint64() == New(1, 1).Uint64() {
		t.Error("paths collide")
	}
}

func TestReseedEqualsNew(t *testing.T) {
	s := New(7, "anything")
	s.Reseed(42, "arrivals")
	want := New(42, "arrivals")
	for range 10 {
		if s.Uint64() != want.Uint64() {
			t.Fatal("Reseed and New give different streams")
		}
	}
	if n := testing.AllocsPerRun(100, func() { s.Reseed(3, "arrivals") }); n != 0 {
		t.Errorf("Reseed allocates %v times", n)
	}
}

func TestSaveAndRestore(t *testing.T) {
	s := New(5, "x")
	s.Float64()
	data, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	want := [3]uint64{s.Uint64(), s.Uint64(), s.Uint64()}
	var r Stream
	if err := r.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if got := [3]uint64{r.Uint64(), r.Uint64(), r.Uint64()}; got != want {
		t.Errorf("restored stream gives %v, want %v", got, want)
	}
	if err := r.UnmarshalBinary([]byte("no")); err == nil {
		t.Error("garbage was accepted as a position")
	}
}

// Mean and variance of a Poisson count are both its parameter. With n draws the sample mean is within
// 5 standard errors of it but for one run in 1.7 million; the variance's standard error is
// sqrt((mean + 2 mean^2)/n).
func TestPoissonMoments(t *testing.T) {
	const n = 200_000
	for _, mean := range []float64{0.05, 1, 3.7, 9.99, 10, 25, 400, 5000} {
		s := New(1, "poisson")
		var sum, sq float64
		for range n {
			x := s.Poisson(mean)
			sum += x
			sq += (x - mean) * (x - mean)
		}
		if d := math.Abs(sum/n - mean); d > 5*math.Sqrt(mean/n) {
			t.Errorf("mean %v: sample mean is off by %v", mean, d)
		}
		if d := math.Abs(sq/n - mean); d > 5*math.Sqrt((mean+2*mean*mean)/n) {
			t.Errorf("mean %v: sample variance is off by %v", mean, d)
		}
	}
	if s := New(1, "x"); s.Poisson(0) != 0 || s.Poisson(-1) != 0 || s.Poisson(math.NaN()) != 0 {
		t.Error("a mean of 0, below 0 or NaN must give 0")
	}
}

func BenchmarkPoisson(b *testing.B) {
	for _, mean := range []float64{2, 40} {
		b.Run(map[float64]string{2: "mean=2", 40: "mean=40"}[mean], func(b *testing.B) {
			s := New(1, "bench")
			b.ReportAllocs()
			for b.Loop() {
				s.Poisson(mean)
			}
		})
	}
}

// A position is refused, or restored so that it is saved as it was.
func FuzzUnmarshal(f *testing.F) {
	data, err := New(1, "x").MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:7])
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Stream
		if s.UnmarshalBinary(data) != nil {
			return
		}
		again, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, data) {
			t.Fatalf("%x became %x", data, again)
		}
		if x := s.Float64(); !(x >= 0 && x < 1) {
			t.Fatal(x)
		}
	})
}
