package sim

// EnvSpec describes an environment's observations and actions to a network.
type EnvSpec struct {
	Kind string // "cluster" or "gym_hpa"
	// Graph: S services, N cluster nodes, E call edges, and their feature widths.
	Services, Nodes                             int
	Edges                                       []Edge
	ServiceFeatures, NodeFeatures, EdgeFeatures int
	Scalars                                     int
	// Names of the features, for documentation and for refusing a policy made for others.
	ServiceFeatureNames, NodeFeatureNames, EdgeFeatureNames, ScalarNames []string
	Action                                                               ActionSpec
}

// ActionSpec describes the action as independent categorical parts.
//
// A network gives one flat row of logits: PerService for each service in turn, then Global. The row is cut
// by NVec into the parts of a multi-categorical; sum(NVec) = Services*PerService + Global. Masks are rows of the
// same form.
//
//	joint:   PerService = len(delta)+len(quota)(+pools), NVec = those parts for each service, Global = 0
//	select:  one part: (delta, quota, pool) of each service in turn, then "nothing"; Global = 1
//	gym_hpa: NVec = [services, moves]: PerService = 1 (which service), Global = moves
type ActionSpec struct {
	Mode       string
	PerService int
	Global     int
	NVec       []int
}

// Obs is a batch of observations in flat arrays, row-major, the environment first.
type Obs struct {
	Services []float32 // [B, S, ServiceFeatures]
	Nodes    []float32 // [B, N, NodeFeatures]
	Edges    []float32 // [B, E, EdgeFeatures]
	RunsOn   []float32 // [B, S, N] number of pods of a service on a node
	Scalars  []float32 // [B, Scalars]
	Mask     []bool    // [B, sum(NVec)] true = allowed; every part has at least one true
}

// NewObs makes room for a batch of n observations.
func NewObs(spec *EnvSpec, n int) *Obs {
	return &Obs{
		Services: make([]float32, n*spec.Services*spec.ServiceFeatures),
		Nodes:    make([]float32, n*spec.Nodes*spec.NodeFeatures),
		Edges:    make([]float32, n*len(spec.Edges)*spec.EdgeFeatures),
		RunsOn:   make([]float32, n*spec.Services*spec.Nodes),
		Scalars:  make([]float32, n*spec.Scalars),
		Mask:     make([]bool, n*spec.MaskWidth()),
	}
}

// MaskWidth is the number of logits of one row: sum(NVec).
func (s *EnvSpec) MaskWidth() int { return s.Services*s.Action.PerService + s.Action.Global }

// Row returns a view of row i of a batch, as a batch of one that shares its memory.
func (o *Obs) Row(spec *EnvSpec, i int) Obs {
	cut := func(a []float32, w int) []float32 { return a[i*w : (i+1)*w : (i+1)*w] }
	m := spec.MaskWidth()
	return Obs{
		Services: cut(o.Services, spec.Services*spec.ServiceFeatures),
		Nodes:    cut(o.Nodes, spec.Nodes*spec.NodeFeatures),
		Edges:    cut(o.Edges, len(spec.Edges)*spec.EdgeFeatures),
		RunsOn:   cut(o.RunsOn, spec.Services*spec.Nodes),
		Scalars:  cut(o.Scalars, spec.Scalars),
		Mask:     o.Mask[i*m : (i+1)*m : (i+1)*m],
	}
}

// VectorEnv is N environments that are stepped together. An environment that ends is reset at once: obs then
// holds the first observation of the next episode and final the last one of the episode that ended (rows of
// other environments in final are left as they are).
//
// Its result depends on the seed and the actions alone, not on the number of cores. All slices belong to the
// caller. Save returns what Load needs to continue byte for byte in a fresh VectorEnv of the same configuration.
type VectorEnv interface {
	Spec() *EnvSpec
	NumEnvs() int
	// Reset starts every environment's first episode.
	Reset(seed uint64, obs *Obs) error
	// Step takes actions [B, len(NVec)]. rewards, terminated, truncated have length B.
	Step(actions []int32, obs, final *Obs, rewards []float32, terminated, truncated []bool) error
	Save() ([]byte, error)
	Load(data []byte, obs *Obs) error
}
