package gnn

import "fmt"

// Activation is a non-linearity between layers.
type Activation string

// The activations. The empty one does nothing.
const (
	Identity Activation = ""
	Tanh     Activation = "tanh"
	ReLU     Activation = "relu"
	ELU      Activation = "elu"
)

// Validate reports an activation that does not exist.
func (a Activation) Validate() error {
	switch a {
	case Identity, Tanh, ReLU, ELU:
		return nil
	}
	return fmt.Errorf("gnn: activation %q: want %q, %q or %q", string(a), Tanh, ReLU, ELU)
}

// Apply returns the activation of x.
func (a Activation) Apply(s *Scope, x Tensor) Tensor {
	switch a {
	case Tanh:
		return s.Tanh(x)
	case ReLU:
		return s.Relu(x)
	case ELU:
		return s.Elu(x)
	case Identity:
		return x
	}
	s.Fail(a.Validate())
	return Tensor{}
}

// Linear is x·Wᵀ + b over the last dimension, as torch.nn.Linear: W [out, in], b [out].
type Linear struct {
	W *Param
	B *Param // nil without bias
}

// LinearInit says how a Linear starts; nil means torch's default for Linear.
type LinearInit struct {
	Weight, Bias Init
	NoBias       bool
}

// NewLinear declares name.weight [out, in] and name.bias [out].
func NewLinear(p *Params, name string, in, out int, init LinearInit) *Linear {
	if init.Weight == nil {
		init.Weight = LinearDefault(in)
	}
	if init.Bias == nil {
		init.Bias = LinearDefault(in)
	}
	l := &Linear{W: p.Add(name+".weight", init.Weight, int64(out), int64(in))}
	if !init.NoBias {
		l.B = p.Add(name+".bias", init.Bias, int64(out))
	}
	return l
}

// Forward maps x [..., in] to [..., out].
func (l *Linear) Forward(s *Scope, x Tensor) Tensor {
	return s.Linear(x, l.W.T, l.bias())
}

func (l *Linear) bias() Tensor {
	if l.B == nil {
		return Tensor{}
	}
	return l.B.T
}

// MLPConfig describes a chain of Linears.
type MLPConfig struct {
	Sizes  []int      // width of the input, of each hidden layer and of the output; at least two
	Act    Activation // between the layers
	Last   bool       // whether the activation also follows the last layer
	Hidden LinearInit // all layers but the last
	Final  LinearInit // the last layer
}

// MLP is a chain of Linears with an activation between them. Its weights are named as those of a
// torch Sequential: name.0, name.2, name.4, ...
type MLP struct {
	Layers []*Linear
	act    Activation
	last   bool
}

// NewMLP declares the layers of an MLP. Mistakes in the configuration are reported by Params.Build.
func NewMLP(p *Params, name string, cfg MLPConfig) *MLP {
	m := &MLP{act: cfg.Act, last: cfg.Last}
	if len(cfg.Sizes) < 2 {
		p.fail("mlp %q: sizes %v; an input and an output width are needed", name, cfg.Sizes)
	}
	if err := cfg.Act.Validate(); err != nil {
		p.fail("mlp %q: %v", name, err)
	}
	for i := 0; i+1 < len(cfg.Sizes); i++ {
		init := cfg.Hidden
		if i+2 == len(cfg.Sizes) {
			init = cfg.Final
		}
		m.Layers = append(m.Layers, NewLinear(p, fmt.Sprintf("%s.%d", name, 2*i), cfg.Sizes[i], cfg.Sizes[i+1], init))
	}
	return m
}

// Forward maps x [..., in] to [..., out].
func (m *MLP) Forward(s *Scope, x Tensor) Tensor {
	for i, l := range m.Layers {
		x = l.Forward(s, x)
		if i+1 < len(m.Layers) || m.last {
			x = m.act.Apply(s, x)
		}
	}
	return x
}
