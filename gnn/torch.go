package gnn

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// Torch is one torch thread: a goroutine locked to its operating-system thread, on which all tensor
// work runs. Libtorch keeps its gradient mode and its last error per thread, so work that moved
// between threads would lose gradients and errors without a word.
//
// Several Torches may exist (one per trial, say); a tensor belongs to the one that made it.
type Torch struct {
	calls chan call
	done  chan struct{}
	once  sync.Once
}

type call struct {
	f     func() error
	reply chan reply
}

type reply struct {
	err      error
	panicked any
	returned bool // false when f ended its goroutine, as testing's Fatal and Skip do
}

// ErrTorchClosed is what Do returns after Close.
var ErrTorchClosed = errors.New("gnn: the torch thread is closed")

// StartTorch starts a torch thread on which libtorch computes with the given number of threads, at
// least 1.
//
// One thread is right nearly always. The tensors of this application are small (a minibatch of 256
// graphs is a few MB), an OpenMP team is woken for each operation, and its waiting threads spin: on
// cores that they share with the simulator two of them cost up to 15 times. With one thread no team
// exists and the wait policy is moot. Who sets more should have idle cores and set
// OMP_WAIT_POLICY=passive before the program starts: libgomp reads it when it is loaded, before main.
//
// The number of threads is libtorch's setting for the calling thread's parallel regions; OpenBLAS
// has one setting for the whole process, which is set to the same number.
func StartTorch(threads int) (*Torch, error) {
	if threads < 1 {
		return nil, fmt.Errorf("gnn: %d torch threads; at least 1 is needed", threads)
	}
	t := &Torch{calls: make(chan call), done: make(chan struct{})}
	ready := make(chan error)
	go t.loop(threads, ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Torch) loop(threads int, ready chan<- error) {
	// Never unlocked: the thread ends with the goroutine, and its gradient mode with it.
	runtime.LockOSThread()
	err := setThreads(threads)
	ready <- err
	if err != nil {
		return
	}
	for {
		select {
		case c := <-t.calls:
			t.run(c)
		case <-t.done:
			return
		}
	}
}

func (t *Torch) run(c call) {
	var r reply
	defer func() {
		if !r.returned {
			if r.panicked = recover(); r.panicked == nil {
				t.Close() // runtime.Goexit: this goroutine is ending
			}
		}
		c.reply <- r
	}()
	r.err = c.f()
	r.returned = true
}

// Do runs f on the torch thread and returns its error; a panic or Goexit in f goes on in the
// caller (after Goexit the thread is closed). Calls from
// several goroutines run one after the other. f must not call Do of the same Torch: it would wait
// for itself.
func (t *Torch) Do(f func() error) error {
	c := call{f, make(chan reply, 1)}
	select {
	case t.calls <- c:
	case <-t.done:
		return ErrTorchClosed
	}
	r := <-c.reply
	switch {
	case r.panicked != nil:
		panic(r.panicked)
	case !r.returned:
		runtime.Goexit()
	}
	return r.err
}

// Scoped runs f on the torch thread with a new scope, closes the scope, and returns f's error or the
// scope's.
func (t *Torch) Scoped(f func(*Scope) error) error {
	return t.Do(func() error {
		s := NewScope()
		defer s.Close()
		return errors.Join(f(s), s.Err())
	})
}

// Close ends the torch thread after the work in progress. Tensors of long-lived scopes must have
// been closed before, inside Do.
func (t *Torch) Close() { t.once.Do(func() { close(t.done) }) }
