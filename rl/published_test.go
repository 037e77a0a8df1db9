package rl

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/configs"
)

// The published configurations decode strictly, say everything (so that a changed default changes no published
// policy), and explain every line.
func TestPublishedConfigs(t *testing.T) {
	names := configs.Names(configs.Policies)
	for _, want := range []string{"gat_ppo", "gat_sac", "gat_zero", "gcn_ppo", "mlp_ppo"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			f, err := configs.Read(configs.Policies, name)
			if err != nil {
				t.Fatal(err)
			}
			c, err := DecodeConfig(f.Reader(), f.Name)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name != name {
				t.Errorf("it calls itself %q", c.Name)
			}
			have := keys(f.Data)
			for _, key := range keys(c.YAML()) {
				if !slices.Contains(have, key) {
					t.Errorf("key %s is not written out", key)
				}
			}
			lines := bufio.NewScanner(bytes.NewReader(f.Data))
			for n := 1; lines.Scan(); n++ {
				text := strings.TrimSpace(lines.Text())
				section := strings.HasSuffix(text, ":")
				if text != "" && !section && !strings.Contains(text, "# ") {
					t.Errorf("line %d has no comment: %s", n, text)
				}
			}
		})
	}
}

// keys lists the keys of a YAML text of mappings in block style, without their nesting.
func keys(text []byte) []string {
	var list []string
	for line := range strings.Lines(string(text)) {
		key, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && !strings.HasPrefix(key, "#") && !strings.HasPrefix(key, "-") {
			list = append(list, key)
		}
	}
	return list
}
