package rl

import "fmt"

// replayFormat is the format of a replay buffer in a checkpoint. Format 1 had all numbers as float32.
const replayFormat = 2

// state saves or loads the ring as it lies in memory: positions decide what later samples see.
func (r *replay) state(st *state) {
	format, at, filled, lasts := int64(replayFormat), int64(r.at), int64(r.filled), int64(r.numLasts)
	if st.loading && st.err == nil && !st.file.Has("replay.format") {
		st.err = fmt.Errorf("replay buffer of format 1; this version reads format %d: train again", replayFormat)
	}
	scalar(st, "replay.format", &format)
	if st.err == nil && format != replayFormat {
		st.err = fmt.Errorf("replay buffer of format %d; this version reads format %d: use a newer grlscaler", format, replayFormat)
	}
	scalar(st, "replay.at", &at)
	scalar(st, "replay.filled", &filled)
	scalar(st, "replay.num_lasts", &lasts)
	if st.loading && st.err == nil {
		if at < 0 || at >= int64(r.slots) || filled < 0 || filled >= int64(r.slots) || lasts < 0 || lasts > int64(r.each*r.envs) {
			st.err = fmt.Errorf("replay buffer: position %d, %d steps of %d, %d last observations", at, filled, r.slots-1, lasts)
			return
		}
		r.at, r.filled, r.numLasts = int(at), int(filled), int(lasts)
	}
	fixed(st, "replay.actions", r.actions)
	if r.experts != nil {
		fixed(st, "replay.experts", r.experts)
	}
	fixed(st, "replay.rewards", r.rewards)
	fixed(st, "replay.ended", r.ended)
	fixed(st, "replay.last", r.last)
	st.obs("replay.open.", r.open)
	st.obs("replay.lasts.", r.lasts)
	for i := range r.pages {
		if st.err == nil {
			r.pages[i].state(st, fmt.Sprintf("replay.page.%d.", i), r.widths)
		}
	}
	if st.loading && st.err == nil {
		st.err = r.check()
	}
}

// state saves or loads a page. One that was never packed has no rows.
func (p *obsPage) state(st *state, prefix string, w obsWidths) {
	rows, columns := int64(p.rows), observationColumns(w)
	scalar(st, prefix+"rows", &rows)
	if st.loading && st.err == nil {
		if rows < 0 || rows > 1<<31 {
			st.err = fmt.Errorf("replay buffer: %s%d observations", prefix, rows)
			return
		}
		*p = obsPage{rows: int(rows)}
		if rows > 0 {
			p.low, p.step = make([]float32, columns), make([]float32, columns)
		}
	}
	if rows == 0 {
		return
	}
	fixed(st, prefix+"low", p.low)
	fixed(st, prefix+"step", p.step)
	grown(st, prefix+"codes", &p.codes)
	grown(st, prefix+"masks", &p.masks)
	if !st.loading || st.err != nil {
		return
	}
	for c, step := range p.step {
		if step > 0 {
			p.vary = append(p.vary, int32(c))
		}
	}
	if len(p.codes) != p.rows*len(p.vary) || len(p.masks) != p.rows*maskBytes(w) {
		st.err = fmt.Errorf("replay buffer: %s%d observations have %d codes and %d bytes of masks", prefix, p.rows, len(p.codes), len(p.masks))
	}
}

// check reports a state that a checkpoint cannot have had: what sampling would trip over.
func (r *replay) check() error {
	oldest := r.at - r.filled + r.slots
	for k := range r.filled {
		slot := (oldest + k) % r.slots
		page, lasts := &r.pages[slot/r.each], r.numLasts
		if slot/r.each != r.at/r.each {
			if lasts = page.rows - r.each*r.envs; lasts < 0 {
				return fmt.Errorf("replay buffer: step %d is in a page of %d observations", slot, page.rows)
			}
		}
		for row := slot * r.envs; row < (slot+1)*r.envs; row++ {
			how, last := r.ended[row], int(r.last[row])
			if how > wasTerminated || (how == goesOn) != (last == -1) || last < -1 || last >= lasts {
				return fmt.Errorf("replay buffer: transition %d ended %d with last observation %d of %d", row, how, last, lasts)
			}
			if err := r.checkChoices(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkChoices reports a choice that an action does not have.
func (r *replay) checkChoices(row int) error {
	for _, src := range [2][]uint8{r.actions, r.experts} {
		if src == nil {
			continue
		}
		for i, p := range r.parts {
			at := (row*len(r.parts) + i) * r.size
			c := int(src[at])
			if r.size == 2 {
				c |= int(src[at+1]) << 8
			}
			if c >= r.spec.Action.NVec[p] {
				return fmt.Errorf("replay buffer: choice %d of %d in part %d of transition %d", c, r.spec.Action.NVec[p], p, row)
			}
		}
	}
	return nil
}
