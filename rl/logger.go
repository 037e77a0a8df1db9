package rl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Metric is one column of a learning curve.
type Metric struct {
	Name    string // as dashboards know it
	Unit    string
	Meaning string
	ppo     bool // logged by PPO
	sac     bool // logged by Discrete SAC
}

// stepsColumn is the metric that counts environment steps: the first column, and the step of every scalar in TensorBoard.
const stepsColumn = "time/total_timesteps"

// Metrics defines every number that training logs, in the order of the columns of progress.csv. Speed is not
// among them: the files depend on the configuration and the seed alone.
var Metrics = []Metric{
	{stepsColumn, "steps", "environment steps done so far, over all environments", true, true},
	{"time/iterations", "count", "rollouts (PPO) or logging periods (SAC) done so far", true, true},
	{"rollout/episodes", "count", "episodes that have ended so far", true, true},
	{"rollout/ep_rew_mean", "reward", "mean total reward of the last 100 episodes that ended, not normalised", true, true},
	{"rollout/ep_len_mean", "steps", "mean length of the same episodes", true, true},
	{"train/learning_rate", "", "learning rate of the update (SAC: of the policy)", true, true},
	{"train/n_updates", "count", "optimiser steps done so far (SAC: of each network)", true, true},
	{"train/loss", "", "total loss, mean over the update's minibatches", true, false},
	{"train/policy_gradient_loss", "", "clipped policy loss, mean over minibatches", true, false},
	{"train/value_loss", "", "squared error of the value function, mean over minibatches", true, false},
	{"train/entropy_loss", "nat", "negative entropy of the policy, summed over action parts, mean over minibatches", true, false},
	{"train/approx_kl", "nat", "estimated KL divergence of the policy from the one that collected, mean over the last epoch", true, false},
	{"train/clip_fraction", "share", "share of decisions whose probability ratio was clipped, mean over minibatches", true, false},
	{"train/explained_variance", "share", "1 - Var(returns - values)/Var(returns) at collection; 1 = perfect, 0 = useless", true, false},
	{"train/imitation_loss", "nat", "-log probability of the expert's actions, summed over action parts, mean over minibatches", true, true},
	{"train/slo_multiplier", "", "Lagrange multiplier of the budget of violations; empty without one", true, false},
	{"rollout/slo_violation", "share", "share of requests late or failed, mean over about the last thirty rollouts; empty without a budget", true, false},
	{"train/grad_norm", "", "norm of the gradient before clipping, mean over minibatches", true, false},
	{"train/epochs", "count", "epochs begun in this update; fewer than configured where the KL divergence stopped it", true, false},
	{"train/actor_loss", "", "loss of the policy, mean over updates since the last row", false, true},
	{"train/critic_loss", "", "sum of both critics' squared errors, mean over updates since the last row", false, true},
	{"train/ent_coef", "", "temperature alpha after the last update", false, true},
	{"train/ent_coef_loss", "", "loss of the temperature, mean over updates since the last row", false, true},
	{"train/entropy", "nat", "entropy of the policy, summed over action parts, mean over updates since the last row", false, true},
	{"train/q_mean", "reward", "mean Q of the actions in the minibatches since the last row", false, true},
}

// ProgressFile is the name of the learning curve in a run's directory.
const ProgressFile = "progress.csv"

// metricsOf lists the metrics that an algorithm logs.
func metricsOf(algorithm string) []Metric {
	var list []Metric
	for _, m := range Metrics {
		if (algorithm == AlgorithmPPO && m.ppo) || (algorithm == AlgorithmSAC && m.sac) {
			list = append(list, m)
		}
	}
	return list
}

// curve appends rows to a learning curve, and the same to an event file beside it.
type curve struct {
	file    *os.File
	columns []Metric
	values  []float64 // of the row in progress, NaN where there is none
	events  *events
}

// openCurve opens or makes the learning curve of a run that has done so many steps. Rows of later steps, and a
// last row that a crash cut short, are removed: the run will write them again. The event file is made to hold the rows that are left.
func openCurve(path, algorithm string, steps int) (*curve, error) {
	c := &curve{columns: metricsOf(algorithm)}
	c.values = make([]float64, len(c.columns))
	header := make([]string, len(c.columns))
	for i, m := range c.columns {
		header[i] = m.Name
	}
	head := strings.Join(header, ",") + "\n"
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("learning curve: %w", err)
	}
	keep := 0
	if bytes.HasPrefix(old, []byte(head)) && steps > 0 {
		keep = wholeRows(old, len(head), steps)
	}
	if c.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return nil, fmt.Errorf("learning curve: %w", err)
	}
	if err := c.startAt(keep, head); err != nil {
		return nil, errors.Join(fmt.Errorf("learning curve %s: %w", path, err), c.file.Close())
	}
	var rows [][]float64
	if keep > 0 {
		rows, err = c.parse(old[len(head):keep])
	}
	if err == nil {
		c.events, err = openEvents(filepath.Join(filepath.Dir(path), EventsFile), c.columns, rows)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("learning curve %s: %w", path, err), c.file.Close())
	}
	return c, nil
}

// parse reads rows back; an empty cell is no number.
func (c *curve) parse(lines []byte) ([][]float64, error) {
	var rows [][]float64
	for line := range strings.Lines(string(lines)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), ",")
		if len(cells) != len(c.columns) {
			return nil, fmt.Errorf("row %d has %d cells, not %d; delete the file to go on without the rows until now", len(rows)+1, len(cells), len(c.columns))
		}
		row := make([]float64, len(cells))
		for i, cell := range cells {
			row[i] = math.NaN()
			if cell == "" {
				continue
			}
			var err error
			if row[i], err = strconv.ParseFloat(cell, 64); err != nil {
				return nil, fmt.Errorf("row %d: %s: %q is not a number; delete the file to go on without the rows until now", len(rows)+1, c.columns[i].Name, cell)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// startAt cuts the file to its first keep bytes and writes the header where nothing is kept.
func (c *curve) startAt(keep int, head string) error {
	if err := c.file.Truncate(int64(keep)); err != nil {
		return err
	}
	if _, err := c.file.Seek(int64(keep), io.SeekStart); err != nil {
		return err
	}
	if keep == 0 {
		_, err := c.file.WriteString(head)
		return err
	}
	return nil
}

// wholeRows is the length of the part of a curve whose rows are complete and of at most so many steps.
func wholeRows(data []byte, start, steps int) int {
	for start < len(data) {
		end := bytes.IndexByte(data[start:], '\n')
		if end < 0 {
			break
		}
		first, _, _ := bytes.Cut(data[start:start+end], []byte{','})
		n, err := strconv.Atoi(string(first))
		if err != nil || n > steps {
			break
		}
		start += end + 1
	}
	return start
}

// write appends one row. Metrics that row lacks, and what is not a number, become empty cells.
func (c *curve) write(row map[string]float64) error {
	var b []byte
	for i, m := range c.columns {
		if i > 0 {
			b = append(b, ',')
		}
		v, ok := row[m.Name]
		if !ok {
			v = math.NaN()
		}
		c.values[i] = v
		switch {
		case math.IsNaN(v):
		case v == math.Trunc(v) && math.Abs(v) < 1e15: // counts stay readable: 1000000, not 1e+06
			b = strconv.AppendInt(b, int64(v), 10)
		default:
			b = strconv.AppendFloat(b, v, 'g', -1, 64)
		}
	}
	// One write for a row: a crash leaves at most one incomplete row, which the next start removes.
	if _, err := c.file.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("learning curve: %w", err)
	}
	return c.events.write(c.values)
}

// sync makes rows durable, before a checkpoint that counts on them.
func (c *curve) sync() error { return errors.Join(c.file.Sync(), c.events.sync()) }

func (c *curve) close() error { return errors.Join(c.file.Close(), c.events.close()) }
