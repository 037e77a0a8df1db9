package cmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// kubernetesFlag chooses the release whose rules HPAs follow.
type kubernetesFlag struct{ version string }

func (k *kubernetesFlag) register(f *pflag.FlagSet) {
	f.StringVar(&k.version, "kubernetes", "", fmt.Sprintf("release whose rules HPAs follow, 1.%d to 1.%d (default: the present rules)", hpa.OldestRelease, hpa.NewestRelease))
}

// apply gives the application's HPAs the rules.
func (k *kubernetesFlag) apply(app *loadedApp) error {
	if k.version == "" {
		return nil
	}
	minor, ok := strings.CutPrefix(k.version, "1.")
	n, err := strconv.Atoi(minor)
	if !ok || err != nil {
		return usagef("--kubernetes %s: must be a release such as 1.32", k.version)
	}
	cfg, err := hpa.ReleaseConfig(n)
	if err != nil {
		return usagef("--kubernetes %s: %w", k.version, err)
	}
	app.rules, app.release = cfg, k.version
	return nil
}
