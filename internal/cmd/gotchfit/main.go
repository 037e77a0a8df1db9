// Command gotchfit fits gotch, the Go binding of libtorch, to the libtorch on
// this machine and writes a go.work that uses the result. `make setup` runs
// it; package internal/gotchfit says how it works.
//
// Environment:
//
//	LIBTORCH         directory of an unpacked libtorch, else the system's
//	CXX              C++ compiler, else g++
//	GRLSCALER_CACHE  where to keep the result, else ~/.cache/grlscaler
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/internal/gotchfit"
)

func main() {
	root := flag.String("C", ".", "directory of the Go module that requires gotch")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root); err != nil {
		fmt.Fprintln(os.Stderr, "gotchfit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) error {
	start := time.Now()
	torch, err := gotchfit.FindLibtorch(os.Getenv("LIBTORCH"), "/")
	if err != nil {
		return err
	}
	src, err := gotchfit.FindSource(ctx, root)
	if err != nil {
		return err
	}
	cache := os.Getenv("GRLSCALER_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("%w; set GRLSCALER_CACHE to a directory", err)
		}
		cache = filepath.Join(dir, "grlscaler")
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return err
	}
	fitted, err := gotchfit.Fit(ctx, gotchfit.Config{
		Gotch:    src,
		Libtorch: torch,
		CXX:      os.Getenv("CXX"),
		CacheDir: cache,
		Root:     root,
		Log:      func(text string) { fmt.Fprintln(os.Stderr, "gotchfit:", text) },
	})
	if err != nil {
		return err
	}
	if err := gotchfit.WriteWorkspace(ctx, root, fitted.Dir); err != nil {
		return fmt.Errorf("writing go.work: %w", err)
	}
	report(src, torch, fitted, time.Since(start))
	return nil
}

func report(src gotchfit.Source, torch gotchfit.Libtorch, fitted gotchfit.Result, took time.Duration) {
	fmt.Printf("gotch %s fits libtorch %s (%s): %d wrapper functions replaced by an error, none of which is called here\n",
		src.Version, torch.Version, torch.Flavour(), len(fitted.Disabled))
	if fitted.Fresh {
		fmt.Println("  " + strings.Join(fitted.Disabled, "\n  "))
	}
	if !gotchfit.Known(torch.Version) {
		fmt.Printf("note: grlscaler's tests have passed with libtorch %s; run `make test` before trusting %s\n",
			gotchfit.KnownVersions, torch.Version)
	}
	fmt.Printf("go.work uses %s (%.1f s)\n", fitted.Dir, took.Seconds())
}
