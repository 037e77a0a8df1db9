package gotchfit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

var fakeLibtch = map[string]string{
	"libtch/a.go": "package libtch\n\nfunc AtgAdd(p *Ctensor) {\n	C.atg_add(p)\n}\nfunc AtgGone(p *Ctensor) {\n	n := 1\n	C.atg_gone(p, n)\n}\n",
	"ts/b.go":     "package ts\n\nfunc AtgAdd() { C.at_not_this() }\n",
}

func TestRefuseNeeded(t *testing.T) {
	const gone = "package nn\n\nimport torch \"github.com/sugarme/gotch/libtch\"\n\nfunc f() {\n	torch.AtgGone(nil)\n	torch.AtgAdd(nil)\n}\n"
	tests := []struct {
		name     string
		files    map[string]string
		disabled []string
		want     string
	}{
		{
			name: "called", files: map[string]string{"nn/ops.go": gone}, disabled: []string{"atg_gone"},
			want: "this libtorch lacks what the program calls: libtch.AtgGone (nn/ops.go:6); known to work are libtorch 1.13 and 2.6 (Debian's libtorch-dev, or LIBTORCH=/path to one)",
		},
		{name: "another disabled", files: map[string]string{"nn/ops.go": gone}, disabled: []string{"atg_other"}},
		{
			name: "not called", disabled: []string{"atg_gone"},
			files: map[string]string{"nn/ops.go": "package nn\n\nimport \"github.com/sugarme/gotch/libtch\"\n\nvar f = libtch.AtgAdd\n"},
		},
		{
			name: "passed as a value", disabled: []string{"atg_add"},
			files: map[string]string{"nn/ops.go": "package nn\n\nimport \"github.com/sugarme/gotch/libtch\"\n\nvar f = libtch.AtgAdd\n"},
			want:  "this libtorch lacks what the program calls: libtch.AtgAdd (nn/ops.go:5); known to work are libtorch 1.13 and 2.6 (Debian's libtorch-dev, or LIBTORCH=/path to one)",
		},
		{
			name: "other modules and test data", disabled: []string{"atg_gone"},
			files: map[string]string{"testdata/ops.go": gone, "other/go.mod": "module other\n", "other/ops.go": gone, ".git/ops.go": gone},
		},
		{
			name: "another package's function", disabled: []string{"atg_gone"},
			files: map[string]string{"a.go": "package a\n\nimport (\n	_ \"github.com/sugarme/gotch/libtch\"\n	\"example.com/x/libtch\"\n)\n\nvar f = libtch.AtgGone\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := refuseNeeded(writeTree(t, tt.files), fakeLibtch, tt.disabled); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
