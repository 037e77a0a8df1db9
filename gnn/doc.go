// Package gnn holds the neural networks of grlscaler: tensors on gotch (libtorch), named weights and
// Adam, the graph layers GAT, GCN, GraphConv and SAGE, encoders of a service graph, and the heads that
// policies and critics read them with.
//
// The path through it:
//
//   - Torch is one torch thread. All tensor work is a closure given to Torch.Do.
//   - Scope owns the tensors made in a step; operations are its methods; errors stick in it; Close
//     frees everything.
//   - Params declares named weights, Build draws them from a Go stream, Adam changes them.
//   - Graph says what an observation looks like, Input carries a batch of them as flat slices, an
//     Encoder turns it into embeddings, a Head and a ValueHead turn these into logits (or Q values)
//     and values.
//
// Layers exist in two forms that share their weights and agree in value and gradient: a general one
// on edge lists (Sparse methods) and one for batches of graphs with the same services and nodes
// (Dense methods), which training uses.
//
// The package draws no random numbers of its own (initial weights come from the stream given to
// NewParams; sampling actions is package rl's work), reads no files and knows nothing of simulation,
// rewards, actions or algorithms.
package gnn
