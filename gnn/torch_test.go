package gnn

import (
	"errors"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestTorch(t *testing.T) {
	if _, err := StartTorch(0); err == nil {
		t.Error("0 threads were accepted")
	}
	th, err := StartTorch(1)
	if err != nil {
		t.Fatal(err)
	}
	want := errors.New("mine")
	if err := th.Do(func() error { return want }); err != want {
		t.Errorf("got %v", err)
	}
	t.Run("scope error comes back", func(t *testing.T) {
		err := th.Scoped(func(s *Scope) error { s.Fail(want); return nil })
		if !errors.Is(err, want) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("panic comes back", func(t *testing.T) {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v", r)
			}
		}()
		th.Do(func() error { panic("boom") })
	})
	t.Run("gradient mode stays on the thread", func(t *testing.T) {
		other, err := StartTorch(1)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		wantsGrad := func() error {
			s := NewScope()
			defer s.Close()
			if !s.Exp(s.RequireGrad(s.Full(1, 1))).RequiresGrad() {
				return errors.New("no gradient is recorded")
			}
			return nil
		}
		th.Do(func() error {
			NoGrad(func() {
				if err := other.Do(wantsGrad); err != nil {
					t.Error(err)
				}
				if wantsGrad() == nil {
					t.Error("a gradient is recorded within NoGrad")
				}
				WithGrad(func() {
					if err := wantsGrad(); err != nil {
						t.Error(err)
					}
				})
			})
			return nil
		})
		if err := th.Do(wantsGrad); err != nil {
			t.Error(err)
		}
	})
	t.Run("many callers", func(t *testing.T) {
		n := 0
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					th.Do(func() error { n++; return nil })
				}
			})
		}
		wg.Wait()
		if n != 800 {
			t.Errorf("%d calls ran", n)
		}
	})
	t.Run("goexit ends the thread and the caller", func(t *testing.T) {
		own, err := StartTorch(1)
		if err != nil {
			t.Fatal(err)
		}
		ended, returned := make(chan bool), false
		go func() {
			defer func() { ended <- true }()
			own.Do(func() error { runtime.Goexit(); return nil })
			returned = true
		}()
		<-ended
		if err := own.Do(func() error { return nil }); returned || err != ErrTorchClosed {
			t.Errorf("returned %t, then %v", returned, err)
		}
	})
	th.Close()
	th.Close()
	if err := th.Do(func() error { return nil }); err != ErrTorchClosed {
		t.Errorf("after Close: %v", err)
	}
}

func TestScopeOwnership(t *testing.T) {
	onTorch(t, func(s *Scope) {
		before := LiveTensors()
		in := s.Nested()
		x := in.Full(2, 2)
		kept := in.Keep(in.Exp(in.RequireGrad(in.Full(0, 1))), s)
		if x = in.Move(x, s); in.Len() == 0 {
			t.Error("the inner scope owns nothing")
		}
		in.Move(kept, s)
		if in.Err() == nil {
			t.Error("moving what is not owned was accepted")
		}
		in.Reset()
		if got := LiveTensors() - before; got != 2 || in.Len() != 0 || in.Err() != nil || s.Err() == nil {
			t.Errorf("%d tensors live, inner %d, errors %v and %v", got, in.Len(), in.Err(), s.Err())
		}
		s.err = nil
		if kept.RequiresGrad() || s.Item(kept) != 1 || s.Item(s.Sum(x)) != 4 {
			t.Error("moved tensors changed")
		}
		failed := s.Nested()
		failed.Mm(x, x)
		failed.Close()
		if s.Err() == nil {
			t.Error("the inner error was lost")
		}
		s.err = nil
	})
}

// TestSameSeedSameBytes trains twice from one seed.
func TestSameSeedSameBytes(t *testing.T) {
	for _, kind := range []string{"mlp", "gat", "gcn"} {
		t.Run(kind, func(t *testing.T) {
			train := func() (values []float32) {
				onTorch(t, func(s *Scope) {
					n := newTestNet(t, boutique(), kind, 9)
					defer n.close()
					for i := range 10 {
						in := s.Nested()
						if err := n.update(in, randomInput(boutique(), 16, uint64(i))); err != nil {
							t.Fatal(err)
						}
						in.Close()
					}
					values = slices.Clone(n.params.Values())
				})
				return values
			}
			if a, b := train(), train(); !slices.Equal(a, b) {
				t.Error("two runs differ")
			}
		})
	}
}

// TestNoLeak: neither tensors nor memory grow over training steps. A leak of 16 bytes for each of the
// about 250 operations of a step would show as 4 MiB.
func TestNoLeak(t *testing.T) {
	th, err := StartTorch(1)
	if err != nil {
		t.Fatal(err)
	}
	defer th.Close()
	err = th.Do(func() error {
		n := newTestNet(t, boutique(), "gat", 1)
		defer n.close()
		in := randomInput(boutique(), 4, 1)
		s := NewScope()
		step := func(times int) error {
			for range times {
				if err := n.update(s, in); err != nil {
					return err
				}
				s.Reset()
			}
			return nil
		}
		if err := step(200); err != nil {
			return err
		}
		tensors, grown := LiveTensors(), int64(math.MaxInt64)
		for range 3 { // a heap may grow once, a leak grows each time
			memory := resident(t)
			if err := step(1000); err != nil {
				return err
			}
			if grown = min(grown, int64(resident(t)-memory)); grown <= 2<<20 {
				break
			}
		}
		if got := LiveTensors() - tensors; got != 0 {
			t.Errorf("%d tensors more after 1,000 steps", got)
		}
		if grown > 2<<20 {
			t.Errorf("%d KiB more memory after each 1,000 steps", grown>>10)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// resident returns the process's resident memory in bytes, after a collection of Go's heap.
func resident(t *testing.T) int {
	runtime.GC()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc/self/statm on this system")
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
