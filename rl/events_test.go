package rl

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The reader of this file shares nothing with the writer: its own checksum, bit by bit, its own numbers.

// crc32c is the checksum of RFC 3720, appendix B.4: polynomial 0x1edc6f41, reflected.
func crc32c(data []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range data {
		crc ^= uint32(b)
		for range 8 {
			if crc&1 == 1 {
				crc = crc>>1 ^ 0x82f63b78
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}

func little(data []byte) (n uint64) {
	for i, b := range data {
		n += uint64(b) << (8 * i)
	}
	return n
}

// event is what a record says.
type event struct {
	wallTime float64
	step     uint64
	version  string
	scalars  map[string]float32
}

// message splits a message of protocol buffers into its fields. Numbers come as their bytes.
func message(t *testing.T, data []byte, each func(field int, value []byte)) {
	t.Helper()
	number := func() (n uint64) {
		for shift := 0; ; shift += 7 {
			if len(data) == 0 {
				t.Fatal("a number has no end")
			}
			b := data[0]
			data = data[1:]
			if n |= uint64(b&0x7f) << shift; b < 0x80 {
				return n
			}
		}
	}
	for len(data) > 0 {
		key := number()
		size := uint64(0)
		switch key & 7 {
		case 0:
			n := number()
			each(int(key>>3), []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), byte(n >> 32), byte(n >> 40), byte(n >> 48), byte(n >> 56)})
			continue
		case 1:
			size = 8
		case 2:
			size = number()
		case 5:
			size = 4
		default:
			t.Fatalf("wire type %d", key&7)
		}
		if size > uint64(len(data)) {
			t.Fatalf("field %d of %d bytes, %d are left", key>>3, size, len(data))
		}
		each(int(key>>3), data[:size])
		data = data[size:]
	}
}

// readEvents reads an event file to its last byte.
func readEvents(t *testing.T, path string) (all []event) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(data []byte, stored []byte) {
		t.Helper()
		crc := crc32c(data)
		if want := crc<<17 + crc>>15 + 0xa282ead8; uint32(little(stored)) != want {
			t.Fatalf("checksum %x, want %x", little(stored), want)
		}
	}
	for len(data) > 0 {
		if len(data) < 16 {
			t.Fatalf("%d bytes are left, too few for a record", len(data))
		}
		n := little(data[:8])
		check(data[:8], data[8:12])
		if uint64(len(data)) < 16+n {
			t.Fatalf("a record of %d bytes, %d are left", n, len(data)-16)
		}
		check(data[12:12+n], data[12+n:16+n])
		e := event{scalars: map[string]float32{}}
		message(t, data[12:12+n], func(field int, v []byte) {
			switch field {
			case 1:
				e.wallTime = math.Float64frombits(little(v))
			case 2:
				e.step = little(v)
			case 3:
				e.version = string(v)
			case 5:
				message(t, v, func(field int, v []byte) {
					if field != 1 {
						t.Fatalf("field %d of a summary", field)
					}
					tag, number := "", float32(math.NaN())
					message(t, v, func(field int, v []byte) {
						switch field {
						case 1:
							tag = string(v)
						case 2:
							number = math.Float32frombits(uint32(little(v)))
						default:
							t.Fatalf("field %d of a value", field)
						}
					})
					if _, twice := e.scalars[tag]; twice || tag == "" {
						t.Errorf("scalar %q is there twice, or has no name", tag)
					}
					e.scalars[tag] = number
				})
			default:
				t.Fatalf("field %d of an event", field)
			}
		})
		all = append(all, e)
		data = data[16+n:]
	}
	return all
}

func TestChecksum(t *testing.T) {
	// RFC 3720, B.4: 32 bytes of zeros; and the check value that catalogues of CRCs give.
	for _, c := range []struct {
		data []byte
		want uint32
	}{{make([]byte, 32), 0x8a9136aa}, {[]byte("123456789"), 0xe3069283}} {
		if got := crc32c(c.data); got != c.want {
			t.Errorf("the test's checksum of %x is %x, want %x", c.data, got, c.want)
		}
		if got, want := maskedCRC(c.data), c.want<<17+c.want>>15+0xa282ead8; got != want {
			t.Errorf("masked checksum of %x is %x, want %x", c.data, got, want)
		}
	}
}

// TestEventsSayWhatTheCurveSays trains with both algorithms: each row of progress.csv is an event with the same numbers under the same names.
func TestEventsSayWhatTheCurveSays(t *testing.T) {
	for algorithm, known := range map[string][]string{
		// What stable_baselines3 logs under these names (on_policy_algorithm.py, ppo.py, sac.py).
		AlgorithmPPO: {"rollout/ep_rew_mean", "rollout/ep_len_mean", "train/learning_rate", "train/n_updates", "train/loss", "train/policy_gradient_loss", "train/value_loss",
			"train/entropy_loss", "train/approx_kl", "train/clip_fraction", "train/explained_variance"},
		AlgorithmSAC: {"rollout/ep_rew_mean", "rollout/ep_len_mean", "train/learning_rate", "train/n_updates", "train/actor_loss", "train/critic_loss", "train/ent_coef", "train/ent_coef_loss"},
	} {
		t.Run(algorithm, func(t *testing.T) {
			dir := t.TempDir()
			train(t, quick("mlp", algorithm), dir)
			events := readEvents(t, filepath.Join(dir, EventsFile))
			if events[0].version != "brain.Event:2" || events[0].wallTime != 0 || len(events[0].scalars) != 0 {
				t.Errorf("the file begins with %+v", events[0])
			}
			rows, err := csv.NewReader(strings.NewReader(readCurve(t, filepath.Join(dir, ProgressFile)))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if len(events) != len(rows) || len(rows) < 4 {
				t.Fatalf("%d events, %d lines", len(events), len(rows))
			}
			seen := map[string]bool{}
			for i, row := range rows[1:] {
				e := &events[i+1]
				if fmt.Sprint(e.step) != row[0] || e.wallTime != float64(e.step) || e.version != "" {
					t.Errorf("event %+v in the place of step %s", e, row[0])
				}
				numbers := 0
				for k, cell := range row {
					if name := rows[0][k]; cell != "" && name != "time/total_timesteps" && name != "time/iterations" {
						v, err := strconv.ParseFloat(cell, 64)
						if err != nil {
							t.Fatal(err)
						}
						if got, ok := e.scalars[name]; !ok || got != float32(v) {
							t.Errorf("step %d: %s is %v, progress.csv has %s", e.step, name, got, cell)
						}
						seen[name] = true
						numbers++
					}
				}
				if len(e.scalars) != numbers {
					t.Errorf("step %d: %d scalars, progress.csv has %d numbers", e.step, len(e.scalars), numbers)
				}
			}
			for _, name := range known {
				if !seen[name] {
					t.Errorf("%s was never written", name)
				}
			}
		})
	}
}

// TestEventsFollowTheCurve: whatever is in the file when a run goes on, it then holds the rows of progress.csv and nothing else.
func TestEventsFollowTheCurve(t *testing.T) {
	dir := t.TempDir()
	path, eventsPath := filepath.Join(dir, ProgressFile), filepath.Join(dir, EventsFile)
	write := func(from int, steps ...int) []byte {
		t.Helper()
		c, err := openCurve(path, AlgorithmPPO, from)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range steps {
			if err := c.write(map[string]float64{"time/total_timesteps": float64(n), "rollout/ep_rew_mean": -1 / float64(n), "train/loss": math.NaN()}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(eventsPath)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	first := write(0, 100)
	want := write(0, 100, 3_000_000_000)
	if e := readEvents(t, eventsPath); len(e) != 3 || e[2].step != 3_000_000_000 || len(e[2].scalars) != 1 || e[2].scalars["rollout/ep_rew_mean"] != float32(-1/3e9) {
		t.Fatalf("events %+v", e)
	}
	curve := readCurve(t, path)
	for name, there := range map[string][]byte{
		"a record cut short": want[:len(want)-5], "rows of later steps": want, "nothing": {}, "another file": []byte("something else, and longer than what belongs there" + string(want)),
		"fewer rows, as of a version without it": first[:20], "right so far": first,
	} {
		if err := os.WriteFile(path, []byte(curve), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(eventsPath, there, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := write(100, 3_000_000_000); !bytes.Equal(got, want) {
			t.Errorf("%s: the file differs from that of a run that was never stopped", name)
		}
	}
	if err := os.Remove(eventsPath); err != nil {
		t.Fatal(err)
	}
	if got := write(100); !bytes.Equal(got, first) {
		t.Error("without a file the run does not begin one with the rows that are there")
	}
	cells := len(metricsOf(AlgorithmPPO))
	// A row that is no row stops the run before it can spoil either file.
	for bad, message := range map[string]string{strings.Replace(curve, "-0.01", "low", 1): `row 1: rollout/ep_rew_mean: "low" is not a number; delete the file`,
		strings.Replace(curve, "100,", "100,,", 1): fmt.Sprintf("row 1 has %d cells, not %d; delete the file", cells+1, cells)} {
		if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := openCurve(path, AlgorithmPPO, 100); err == nil || !strings.Contains(err.Error(), message) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one with the path and %q", err, message)
		}
	}
}

// TestBytesOfAnEvent works one record out by hand.
func TestBytesOfAnEvent(t *testing.T) {
	e := &events{columns: []Metric{{Name: stepsColumn}, {Name: "a"}}}
	got := e.appendRow(nil, []float64{300, 1.5})
	// Event: wall_time 300.0, step 300 (ac 02), summary of 10 bytes: value of 8: tag "a", simple_value 1.5.
	body := "09" + "0000000000c07240" + "10" + "ac02" + "2a" + "0a" + "0a" + "08" + "0a0161" + "150000c03f"
	if want := "1800000000000000"; hex.EncodeToString(got[:8]) != want || hex.EncodeToString(got[12:36]) != body || len(got) != 40 {
		t.Errorf("record %x, want length %s and body %s", got, want, body)
	}
}

// TestDocumentationNamesEveryMetric keeps docs/training.md complete.
func TestDocumentationNamesEveryMetric(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "training.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range Metrics {
		if inEvents(m.Name) && !bytes.Contains(doc, []byte("`"+m.Name+"`")) {
			t.Errorf("docs/training.md does not name %s", m.Name)
		}
	}
	if !bytes.Contains(doc, []byte("`"+EventsFile+"`")) {
		t.Errorf("docs/training.md does not name %s", EventsFile)
	}
}
