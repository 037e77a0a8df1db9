package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// VecEnv steps N environments in parallel: each goroutine has a fixed block of them, so that results depend on the
// seed and the actions alone. The environments differ by their number only, which names their episodes' seeds.
type VecEnv struct {
	envs   []*Env
	blocks []func() // one per worker
	group  sync.WaitGroup
	errs   []error // one per environment
	seed   uint64
	begun  bool
	print  [sha256.Size]byte // of configuration, application and load: what Save's data belong to

	// Arguments of the Step in progress.
	actions    []int32
	obs, final *Obs
	rewards    []float32
	truncated  []bool
	rows       []Obs // views of the rows of obs and final, here so that they are not allocated in every step
	finals     []Obs
}

var _ VectorEnv = (*VecEnv)(nil)

// NewVecEnv makes n environments (0: cfg.NumEnvs), each with an engine of its own.
func NewVecEnv(app *App, cfg EnvConfig, source LoadSource, n int, newEngine func() (Engine, error)) (*VecEnv, error) {
	return NewVariedEnv(cfg, n, []EnvWorld{{App: app, Source: source, NewEngine: newEngine}})
}

// EnvWorld is what an environment's episodes are made of.
type EnvWorld struct {
	App       *App
	Source    LoadSource
	NewEngine func() (Engine, error)
	Exact     bool // metrics are as configured, whatever [VariationConfig] says
}

// NewVariedEnv makes n environments (0: cfg.NumEnvs), of which number i is in world i mod len(worlds). The applications have the same
// services, calls and nodes ([App.Vary]); metrics differ as cfg.Variation says.
func NewVariedEnv(cfg EnvConfig, n int, worlds []EnvWorld) (*VecEnv, error) {
	return newVecEnv(worlds[0].App, cfg, n, func(i int) (*Env, error) {
		w := &worlds[i%len(worlds)]
		engine, err := w.NewEngine()
		if err != nil {
			return nil, fmt.Errorf("engine of environment %d: %w", i, err)
		}
		own := cfg
		if !w.Exact {
			own.Metrics = cfg.Variation.metricsOf(cfg.Metrics, i)
		}
		return NewEnv(w.App, own, w.Source, engine, i)
	}, func() string { return worlds[0].Source.Name() })
}

// NewGymRowsVecEnv makes n environments (0: cfg.NumEnvs) of kind gym_hpa on recorded rows.
func NewGymRowsVecEnv(app *App, cfg EnvConfig, rows *GymRows, n int) (*VecEnv, error) {
	return newVecEnv(app, cfg, n, func(i int) (*Env, error) { return newGymRowsEnv(app, cfg, rows, i) }, func() string { return rows.print })
}

// newVecEnv makes environments; source names what their episodes are made of.
func newVecEnv(app *App, cfg EnvConfig, n int, newEnv func(i int) (*Env, error), source func() string) (*VecEnv, error) {
	if n == 0 {
		n = cfg.NumEnvs
	}
	if n < 1 {
		return nil, fmt.Errorf("vector environment: %d environments; at least 1 is needed", n)
	}
	v := &VecEnv{errs: make([]error, n), rows: make([]Obs, n), finals: make([]Obs, n)}
	for i := range n {
		e, err := newEnv(i)
		if err != nil {
			return nil, err
		}
		v.envs = append(v.envs, e)
	}
	workers := cfg.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, n)
	for w := range workers {
		from, to := w*n/workers, (w+1)*n/workers
		v.blocks = append(v.blocks, func() {
			defer v.group.Done()
			v.stepBlock(from, to)
		})
	}
	cfg.Workers = 0
	what, err := json.Marshal(struct {
		App, Source string
		Config      EnvConfig
		Spec        *EnvSpec
	}{app.Name, source(), cfg, v.Spec()})
	if err != nil {
		return nil, fmt.Errorf("vector environment: %w", err)
	}
	v.print = sha256.Sum256(what)
	return v, nil
}

// Spec describes observations and actions.
func (v *VecEnv) Spec() *EnvSpec { return v.envs[0].Spec() }

// NumEnvs is the number of environments.
func (v *VecEnv) NumEnvs() int { return len(v.envs) }

// Reset starts every environment's first episode.
func (v *VecEnv) Reset(seed uint64, obs *Obs) error {
	v.seed, v.begun = seed, false
	for i, e := range v.envs {
		row := obs.Row(e.Spec(), i)
		if err := e.Reset(seed, &row); err != nil {
			return err
		}
	}
	v.begun = true
	return nil
}

// Step takes one action in every environment. After an error all must be reset.
func (v *VecEnv) Step(actions []int32, obs, final *Obs, rewards []float32, terminated, truncated []bool) error {
	n, parts := len(v.envs), len(v.Spec().Action.NVec)
	if !v.begun {
		return errors.New("vector environment: Step before Reset")
	}
	if len(actions) != n*parts || len(rewards) != n || len(terminated) != n || len(truncated) != n {
		return fmt.Errorf("vector environment: %d action parts, %d rewards, %d and %d flags for %d environments with %d parts each",
			len(actions), len(rewards), len(terminated), len(truncated), n, parts)
	}
	v.actions, v.obs, v.final, v.rewards, v.truncated = actions, obs, final, rewards, truncated
	clear(terminated) // a time limit truncates
	v.group.Add(len(v.blocks))
	for _, run := range v.blocks[1:] {
		go run()
	}
	v.blocks[0]()
	v.group.Wait()
	for _, err := range v.errs {
		if err != nil {
			v.begun = false
			return err
		}
	}
	return nil
}

func (v *VecEnv) stepBlock(from, to int) {
	spec := v.Spec()
	parts := len(spec.Action.NVec)
	for i := from; i < to; i++ {
		v.rows[i], v.finals[i] = v.obs.Row(spec, i), v.final.Row(spec, i)
		var reward float64
		reward, v.truncated[i], v.errs[i] = v.envs[i].Step(v.actions[i*parts:(i+1)*parts], &v.rows[i], &v.finals[i])
		v.rewards[i] = float32(reward)
	}
}

// saveFormat begins what Save gives: name and number of the format.
const saveFormat = "grlscaler-env 1\n"

// Save returns the seed and, for each environment, the number of its episode and the actions taken in it. Load plays
// them again: engines need not be written out, and nothing of their state can be forgotten.
func (v *VecEnv) Save() ([]byte, error) {
	if !v.begun {
		return nil, errors.New("vector environment: Save before Reset")
	}
	out := append([]byte(saveFormat), v.print[:]...)
	out = binary.LittleEndian.AppendUint64(out, v.seed)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(v.envs)))
	for _, e := range v.envs {
		out = binary.LittleEndian.AppendUint64(out, uint64(e.number))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(e.log)))
		for _, a := range e.log {
			out = binary.LittleEndian.AppendUint32(out, uint32(a))
		}
	}
	return out, nil
}

// Load continues where Save was called, in a vector environment of the same configuration, and writes the present
// observations into obs.
func (v *VecEnv) Load(data []byte, obs *Obs) error {
	v.begun = false
	r := bytes.NewReader(data)
	head := make([]byte, len(saveFormat)+sha256.Size)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:len(saveFormat)]) != saveFormat {
		return fmt.Errorf("vector environment: the saved data are not of the format %q", saveFormat[:len(saveFormat)-1])
	}
	if !bytes.Equal(head[len(saveFormat):], v.print[:]) {
		return errors.New("vector environment: the saved data belong to another configuration, application or load")
	}
	var seed uint64
	var n uint32
	if err := errors.Join(binary.Read(r, binary.LittleEndian, &seed), binary.Read(r, binary.LittleEndian, &n)); err != nil {
		return fmt.Errorf("vector environment: the saved data are cut off: %w", err)
	}
	if int(n) != len(v.envs) {
		return fmt.Errorf("vector environment: the saved data hold %d environments, want %d", n, len(v.envs))
	}
	v.seed = seed
	for i, e := range v.envs {
		var number uint64
		var count uint32
		if err := errors.Join(binary.Read(r, binary.LittleEndian, &number), binary.Read(r, binary.LittleEndian, &count)); err != nil || int64(count)*4 > int64(r.Len()) {
			return fmt.Errorf("vector environment: the saved data are cut off at environment %d", i)
		}
		log := make([]int32, count)
		if err := binary.Read(r, binary.LittleEndian, log); err != nil {
			return fmt.Errorf("vector environment: the saved data are cut off at environment %d: %w", i, err)
		}
		row := obs.Row(e.Spec(), i)
		if err := e.replay(seed, int(number), log, &row); err != nil {
			return err
		}
	}
	if r.Len() > 0 {
		return fmt.Errorf("vector environment: %d bytes too many in the saved data", r.Len())
	}
	v.begun = true
	return nil
}

// replay brings an environment to where it was after the given actions of episode n.
func (e *Env) replay(seed uint64, n int, log []int32, row *Obs) error {
	parts := len(e.Spec().Action.NVec)
	if n < 0 || len(log)%parts != 0 {
		return fmt.Errorf("environment %d: the saved data hold episode %d with %d action parts", e.index, n, len(log))
	}
	e.seed = seed
	if err := e.begin(n); err != nil {
		return err
	}
	for i := 0; i < len(log); i += parts {
		_, ended, err := e.step(log[i : i+parts])
		if err != nil {
			return err
		}
		if ended {
			return fmt.Errorf("environment %d: the saved actions reach over the end of episode %d", e.index, n)
		}
	}
	e.task.observe(row)
	return nil
}
