package gnn

import (
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// boutique has the size of the application that matters most: 11 services, 4 nodes, 15 call edges.
func boutique() *Graph {
	return &Graph{
		Services: 11, Nodes: 4, ServiceFeatures: 12, NodeFeatures: 4, EdgeFeatures: 3, Scalars: 5,
		Calls: [][2]int{{0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {0, 7}, {5, 1}, {5, 2}, {5, 3}, {5, 6},
			{5, 8}, {5, 9}, {6, 1}, {2, 10}},
	}
}

// randomInput makes a batch of observations; each service runs on about half of the nodes.
func randomInput(g *Graph, batch int, seed uint64) Input {
	rng := newRand(seed)
	in := Input{
		Batch:     batch,
		Services:  random(rng, batch*g.Services*g.ServiceFeatures),
		Nodes:     random(rng, batch*g.Nodes*g.NodeFeatures),
		CallEdges: random(rng, batch*len(g.Calls)*g.EdgeFeatures),
		RunsOn:    make([]float32, batch*g.Services*g.Nodes),
		Scalars:   random(rng, batch*g.Scalars),
	}
	for i := range in.RunsOn {
		in.RunsOn[i] = float32(max(0, rng.IntN(6)-2))
	}
	return in
}

// testNet is an encoder with a policy and a value head.
type testNet struct {
	params *Params
	enc    Encoder
	pi     *Head
	vf     *ValueHead
	adam   *Adam
}

func newTestNet(tb testing.TB, g *Graph, kind string, seed uint64) *testNet {
	n := &testNet{params: NewParams(newRand(seed))}
	cfg := EncoderConfig{Kind: kind, Hidden: 32, Layers: 2, Heads: 4}
	if kind != "gat" {
		cfg.Hidden = 64
	}
	var err error
	if n.enc, err = NewEncoder(n.params, "enc", g, cfg); err != nil {
		tb.Fatal(err)
	}
	head := HeadConfig{PerService: 10, Global: 1, Hidden: 64,
		Inner: LinearInit{Weight: Orthogonal(math.Sqrt2), Bias: Zeros},
		Final: LinearInit{Weight: Orthogonal(0.5), Bias: Zeros}}
	n.pi = NewHead(n.params, "pi", g, n.enc, head)
	n.vf = NewValueHead(n.params, "vf", n.enc, head)
	if err := n.params.Build(); err != nil {
		tb.Fatal(err)
	}
	if n.adam, err = NewAdam(n.params, DefaultAdam()); err != nil {
		tb.Fatal(err)
	}
	return n
}

func (n *testNet) close() { n.adam.Close(); n.params.Close() }

func (n *testNet) forward(s *Scope, in Input) (logits, values Tensor) {
	e := n.enc.Encode(s, n.enc.Load(s, in))
	return n.pi.Forward(s, e), n.vf.Forward(s, e)
}

// update does one optimiser step with a loss of the size of a policy gradient's.
func (n *testNet) update(s *Scope, in Input) error {
	logits, values := n.forward(s, in)
	loss := s.Add(s.Mean(s.Square(s.LogSoftmax(logits, 1))), s.Mean(s.Square(values)))
	n.params.ZeroGrad()
	s.Backward(loss)
	n.params.ClipGradNorm(0.5)
	if err := s.Err(); err != nil {
		return err
	}
	return n.adam.Step(1e-4)
}

// threadTime returns the CPU time of this thread: what a step costs whatever else the machine does.
func threadTime() time.Duration {
	const threadCPUTime = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, threadCPUTime, uintptr(unsafe.Pointer(&t)), 0); e != 0 {
		panic(e)
	}
	return time.Duration(t.Nano())
}

// benchTorch runs f b.N times on a torch thread and reports microseconds a graph: wall time, and CPU
// time of the thread.
func benchTorch(b *testing.B, kind string, batch int, f func(n *testNet, s *Scope, in Input) error) {
	benchNet(b, kind, batch, func(n *testNet, _ *Scope, in Input) func(s *Scope) error {
		return func(s *Scope) error { return f(n, s, in) }
	})
}

// benchNet is benchTorch with a preparation, whose tensors live in the scope that it is given.
func benchNet(b *testing.B, kind string, batch int, prepare func(n *testNet, own *Scope, in Input) func(s *Scope) error) {
	th, err := StartTorch(1)
	if err != nil {
		b.Fatal(err)
	}
	defer th.Close()
	g := boutique()
	in := randomInput(g, batch, 1)
	err = th.Do(func() error {
		n := newTestNet(b, g, kind, 1)
		defer n.close()
		own, s := NewScope(), NewScope()
		defer own.Close()
		defer s.Close()
		f := prepare(n, own, in)
		var start time.Duration
		for i := range b.N + 3 {
			if i == 3 {
				b.ResetTimer()
				start = threadTime()
			}
			if err := f(s); err != nil {
				return err
			}
			s.Reset()
		}
		b.StopTimer()
		b.ReportMetric(float64((threadTime()-start).Nanoseconds())/float64(b.N*batch)/1e3, "cpu-µs/graph")
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch)/1e3, "µs/graph")
}

// BenchmarkForms compares the forms of the GAT encoder, without heads: edge lists (made beforehand),
// dense relation by relation, and dense with the relations fused; forward alone, and with backward.
func BenchmarkForms(b *testing.B) {
	forms := map[string]func(n *testNet, own *Scope, in Input) func(s *Scope) Tensor{
		"sparse": func(n *testNet, own *Scope, in Input) func(s *Scope) Tensor {
			enc := n.enc.(*GraphEncoder)
			c := encoderCase{graph: *enc.graph, batch: in.Batch, cfg: EncoderConfig{Kind: "gat"}}
			rels, svcBatch, nodeBatch := c.union(own, in)
			svc := own.Float32s(in.Services, int64(len(svcBatch)), int64(c.graph.ServiceFeatures))
			node := own.Float32s(in.Nodes, int64(len(nodeBatch)), int64(c.graph.NodeFeatures))
			return func(s *Scope) Tensor {
				x, y := enc.sparse(s, svc, node, rels)
				return s.Cat(1, s.MeanPool(x, svcBatch, in.Batch), s.MeanPool(y, nodeBatch, in.Batch))
			}
		},
		"dense": func(n *testNet, own *Scope, in Input) func(s *Scope) Tensor {
			for _, l := range n.enc.(*GraphEncoder).layers {
				l.gat = nil
			}
			return func(s *Scope) Tensor { return n.enc.Encode(s, n.enc.Load(s, in)).Features }
		},
		"fused": func(n *testNet, own *Scope, in Input) func(s *Scope) Tensor {
			return func(s *Scope) Tensor { return n.enc.Encode(s, n.enc.Load(s, in)).Features }
		},
	}
	for _, name := range []string{"sparse", "dense", "fused"} {
		for _, batch := range []int{64, 256} {
			b.Run(fmt.Sprintf("%s/forward/batch=%d", name, batch), func(b *testing.B) {
				benchNet(b, "gat", batch, func(n *testNet, own *Scope, in Input) func(s *Scope) error {
					f := forms[name](n, own, in)
					return func(s *Scope) error { NoGrad(func() { f(s) }); return s.Err() }
				})
			})
			b.Run(fmt.Sprintf("%s/backward/batch=%d", name, batch), func(b *testing.B) {
				benchNet(b, "gat", batch, func(n *testNet, own *Scope, in Input) func(s *Scope) error {
					f := forms[name](n, own, in)
					return func(s *Scope) error { s.Backward(s.Sum(s.Square(f(s)))); return s.Err() }
				})
			})
		}
	}
}

func benchForward(b *testing.B, kind string) {
	for _, batch := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			benchTorch(b, kind, batch, func(n *testNet, s *Scope, in Input) error {
				NoGrad(func() { n.forward(s, in) })
				return s.Err()
			})
		})
	}
}

func benchUpdate(b *testing.B, kind string) {
	for _, batch := range []int{64, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			benchTorch(b, kind, batch, func(n *testNet, s *Scope, in Input) error { return n.update(s, in) })
		})
	}
}

func BenchmarkGATForward(b *testing.B) { benchForward(b, "gat") }
func BenchmarkGATUpdate(b *testing.B)  { benchUpdate(b, "gat") }
func BenchmarkGCNForward(b *testing.B) { benchForward(b, "gcn") }
func BenchmarkGCNUpdate(b *testing.B)  { benchUpdate(b, "gcn") }
func BenchmarkMLPForward(b *testing.B) { benchForward(b, "mlp") }
func BenchmarkMLPUpdate(b *testing.B)  { benchUpdate(b, "mlp") }
