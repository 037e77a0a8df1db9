package rl

import (
	"fmt"
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// hetero describes the encoder of a case of ppo_gnn.json.
type heteroConfig struct {
	Encoder struct {
		Conv         string
		Relations    [][3]string
		Aggr         string
		Activation   string
		Layer0       heteroLayer
		Layer1       heteroLayer
		AddSelfLoops bool `json:"add_self_loops"`
	}
	PoolOrder    []string `json:"pool_order"`
	SharedHidden int      `json:"shared_hidden"`
	Activation   string
	NVec         []int
}

type heteroLayer struct {
	Out    int `json:"out_channels"`
	Heads  int
	Concat bool
}

// heteroGraph is one observation of a case.
type heteroGraph struct {
	Svc     array `json:"svc_x"`
	Node    array `json:"node_x"`
	Calls   array `json:"calls_edge_index"`
	RunsOn  array `json:"runs_on_edge_index"`
	Hosts   array `json:"hosts_edge_index"`
	Scalars array
}

// TestOraclePPOGNN checks the whole chain: encoder, pooling, heads, losses, gradients, optimiser.
func TestOraclePPOGNN(t *testing.T) {
	o := oracleFile(t, "ppo_gnn.json")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			checkPPO(t, o, c, func(s *gnn.Scope) (*gnn.Params, forward, error) { return heteroNetwork(t, s, c) })
		})
	}
}

func heteroNetwork(t *testing.T, s *gnn.Scope, c oracleCase) (*gnn.Params, forward, error) {
	cfg := decoded[heteroConfig](t, c.Config)
	e := cfg.Encoder
	if e.Conv != "GATConv" || e.Aggr != "mean" || e.AddSelfLoops || !slices.Equal(cfg.PoolOrder, []string{"svc", "node", "scalars"}) {
		t.Fatalf("an encoder of another kind: %+v", cfg)
	}
	graphs := field[[]heteroGraph](t, c.Inputs, "graphs")
	params := gnn.NewParams(rng.New(0, "unused").Rand)
	svcIn, nodeIn := graphs[0].Svc.Shape[1], graphs[0].Node.Shape[1]
	layers := make([]*gnn.HeteroLayer, 2)
	for i, l := range []heteroLayer{e.Layer0, e.Layer1} {
		layers[i] = gnn.NewHeteroLayer(params, fmt.Sprintf("layer%d", i), gnn.HeteroLayerConfig{
			ServiceIn: svcIn, NodeIn: nodeIn, Calls: gnn.ConvGAT, Placement: gnn.ConvGAT, Out: l.Out, Heads: l.Heads, Concat: l.Concat,
		})
		svcIn = l.Out
		if l.Concat {
			svcIn *= l.Heads
		}
		nodeIn = svcIn
	}
	actions := 0
	for _, n := range cfg.NVec {
		actions += n
	}
	features := 2*svcIn + len(graphs[0].Scalars.Data)
	shared := gnn.NewLinear(params, "shared", features, cfg.SharedHidden, gnn.LinearInit{})
	action := gnn.NewLinear(params, "action_net", cfg.SharedHidden, actions, gnn.LinearInit{})
	value := gnn.NewLinear(params, "value_net", cfg.SharedHidden, 1, gnn.LinearInit{})
	if err := params.Build(); err != nil {
		return nil, nil, err
	}
	if len(params.All()) != len(c.Weights) {
		t.Fatalf("the network has %d weights, the case %d", len(params.All()), len(c.Weights))
	}
	for _, q := range params.All() {
		copy(params.ValuesOf(q), c.Weights[q.Name].float32s())
	}

	batch := joinGraphs(s, graphs)
	activation := gnn.Activation(e.Activation)
	return params, func(s *gnn.Scope) (gnn.Tensor, gnn.Tensor) {
		svc, node := layers[0].Sparse(s, batch.svc, batch.node, batch.relations)
		svc, node = layers[1].Sparse(s, activation.Apply(s, svc), activation.Apply(s, node), batch.relations)
		pooled := s.Cat(1, s.MeanPool(svc, batch.svcGraph, len(graphs)), s.MeanPool(node, batch.nodeGraph, len(graphs)), batch.scalars)
		x := gnn.Activation(cfg.Activation).Apply(s, shared.Forward(s, pooled))
		return action.Forward(s, x), s.Squeeze(value.Forward(s, x), 1)
	}, s.Err()
}

// joined is several graphs as one, with node numbers shifted.
type joined struct {
	svc, node, scalars  gnn.Tensor
	svcGraph, nodeGraph []int64
	relations           [3]gnn.SparseRelation
}

func joinGraphs(s *gnn.Scope, graphs []heteroGraph) joined {
	var j joined
	var svc, node, scalars []float32
	var src, dst [3][]int64
	for g, graph := range graphs {
		svcAt, nodeAt := int64(len(j.svcGraph)), int64(len(j.nodeGraph))
		shift := [3][2]int64{{svcAt, svcAt}, {svcAt, nodeAt}, {nodeAt, svcAt}}
		for r, index := range []array{graph.Calls, graph.RunsOn, graph.Hosts} {
			pairs, n := index.int64s(), index.Shape[1]
			for i := range n {
				src[r], dst[r] = append(src[r], pairs[i]+shift[r][0]), append(dst[r], pairs[n+i]+shift[r][1])
			}
		}
		svc, node, scalars = append(svc, graph.Svc.float32s()...), append(node, graph.Node.float32s()...), append(scalars, graph.Scalars.float32s()...)
		for range graph.Svc.Shape[0] {
			j.svcGraph = append(j.svcGraph, int64(g))
		}
		for range graph.Node.Shape[0] {
			j.nodeGraph = append(j.nodeGraph, int64(g))
		}
	}
	numSvc, numNode := len(j.svcGraph), len(j.nodeGraph)
	j.svc = s.Float32s(svc, int64(numSvc), int64(graphs[0].Svc.Shape[1]))
	j.node = s.Float32s(node, int64(numNode), int64(graphs[0].Node.Shape[1]))
	j.scalars = s.Float32s(scalars, int64(len(graphs)), int64(len(scalars)/len(graphs)))
	for r, ends := range [3][2]int{{numSvc, numSvc}, {numSvc, numNode}, {numNode, numSvc}} {
		j.relations[r] = gnn.SparseRelation{Present: true, Edges: s.Edges(src[r], dst[r], ends[0], ends[1])}
	}
	return j
}
