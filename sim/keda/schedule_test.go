package keda

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func newSchedule(t testing.TB, timezone string, rules ...ScheduleRule) *Schedule {
	t.Helper()
	s, err := NewSchedule(timezone, rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScheduleReplicasAt(t *testing.T) {
	office := []ScheduleRule{{"0 8 * * 1-5", 10}, {"0 18 * * 1-5", 2}, {"0 0 * * 6", 0}}
	for _, c := range []struct {
		name     string
		timezone string
		rules    []ScheduleRule
		at       string
		want     int
	}{
		{"from the evening before", "Europe/Berlin", office, "2026-03-03T06:59:59Z", 2},
		{"the moment a rule fires", "Europe/Berlin", office, "2026-03-03T07:00:00Z", 10},
		{"until the next one fires", "Europe/Berlin", office, "2026-03-03T16:59:59Z", 10},
		{"the evening", "Europe/Berlin", office, "2026-03-03T17:00:00Z", 2},
		{"over a weekend", "Europe/Berlin", office, "2026-03-08T12:00:00Z", 0},
		{"until Monday morning", "Europe/Berlin", office, "2026-03-09T06:59:59Z", 0},
		{"in summer time", "Europe/Berlin", office, "2026-07-06T06:00:00Z", 10},
		{"any zone of the asked time", "Europe/Berlin", office, "2026-03-03T12:00:00+05:00", 10},
		{"the later one listed counts of two at once", "Etc/UTC", []ScheduleRule{{"0 9 * * *", 3}, {"0 9 * * 1", 4}}, "2026-03-02T09:30:00Z", 4},
		{"and that in any order of firing", "Etc/UTC", []ScheduleRule{{"0 9 * * 1", 4}, {"0 9 * * *", 3}}, "2026-03-02T09:30:00Z", 3},
		{"one rule holds since last year", "Etc/UTC", []ScheduleRule{{"0 0 24 12 *", 50}}, "2026-03-02T09:30:00Z", 50},
		{"one rule holds since a leap year", "Etc/UTC", []ScheduleRule{{"0 0 29 2 *", 50}}, "2027-03-02T09:30:00Z", 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := newSchedule(t, c.timezone, c.rules...).ReplicasAt(instant(t, c.at))
			if !ok || got != c.want {
				t.Errorf("%d, %v; want %d", got, ok, c.want)
			}
		})
	}
	if got, ok := new(Schedule).ReplicasAt(epoch); ok {
		t.Errorf("a schedule without rules wants %d", got)
	}
}

func TestScheduleRefused(t *testing.T) {
	_, err := NewSchedule("Nowhere", []ScheduleRule{{"0 8 * * *", 1}, {"8", 1}, {"0 9 * * *", -1}})
	want := `schedule: timezone: "Nowhere": must be a name of the time zone database, such as "Europe/Berlin" or "Etc/UTC"
schedule: rules[1].cron: "8": must be a cron expression of five fields, minute, hour, day of month, month and day of week, such as "0 8 * * 1-5" (expected exactly 5 fields, found 1: [8])
schedule: rules[2].replicas: -1: must not be negative`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := NewSchedule("Etc/UTC", nil); err == nil || err.Error() != "schedule: rules: there must be at least one" {
		t.Errorf("no rules: %v", err)
	}
}

func TestScheduleKeepsWhatItWasGiven(t *testing.T) {
	rules := []ScheduleRule{{"0 8 * * *", 1}, {"0 9 * * *", 2}}
	s := newSchedule(t, "Asia/Kolkata", rules...)
	rules[0].Replicas = 7
	s.Rules()[1].Replicas = 7
	if diff := cmp.Diff([]ScheduleRule{{"0 8 * * *", 1}, {"0 9 * * *", 2}}, s.Rules()); diff != "" || s.Timezone() != "Asia/Kolkata" {
		t.Errorf("%s (-want +got):\n%s", s.Timezone(), diff)
	}
}

func TestScheduleAllocates(t *testing.T) {
	s := newSchedule(t, "Europe/Berlin", ScheduleRule{"0 8 * * 1-5", 10}, ScheduleRule{"0 0 29 2 *", 2})
	if n := testing.AllocsPerRun(100, func() { s.ReplicasAt(epoch) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestPropertySchedule follows a scaler that sets replicas whenever a rule fires, for some days: the schedule wants at every
// moment what the scaler set last.
func TestPropertySchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := make([]ScheduleRule, rapid.IntRange(1, 4).Draw(t, "rules"))
		for i := range rules {
			rules[i] = ScheduleRule{genCron(t, "rule"), rapid.IntRange(0, 20).Draw(t, "replicas")}
		}
		s, err := NewSchedule(rapid.SampledFrom(testZones).Draw(t, "zone"), rules)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "start"), 0)
		held, ok := s.ReplicasAt(now)
		for range 40 {
			var at time.Time
			replicas := held
			for i, e := range s.cron {
				if next, _ := e.next(now); at.IsZero() || !next.After(at) {
					at, replicas = next, rules[i].Replicas
				}
			}
			between := now.Add(at.Sub(now) / 2).Truncate(time.Second)
			if got, _ := s.ReplicasAt(between); !ok || got != held {
				t.Fatalf("%v wants %d, but the last that fired set %d, %v", between, got, held, ok)
			}
			if got, _ := s.ReplicasAt(at); got != replicas {
				t.Fatalf("%v wants %d, but %d was just set", at, got, replicas)
			}
			now, held = at, replicas
		}
	})
}

func FuzzNewSchedule(f *testing.F) {
	f.Add("Europe/Berlin", "0 8 * * 1-5", 3)
	f.Add("Local", "@daily", -1)
	f.Add("", "", 0)
	f.Add("../../etc/passwd", "TZ=\n", 1)
	f.Fuzz(func(t *testing.T, timezone, text string, replicas int) {
		s, err := NewSchedule(timezone, []ScheduleRule{{text, replicas}})
		if err != nil {
			if lines := strings.Count(err.Error(), "\n"); lines > 2 {
				t.Errorf("%d lines: %v", lines+1, err)
			}
			return
		}
		if got, ok := s.ReplicasAt(epoch); !ok || got != replicas || got < 0 {
			t.Errorf("%d, %v; want %d", got, ok, replicas)
		}
	})
}
