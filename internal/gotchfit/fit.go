package gotchfit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Config says what to fit to what, and where to keep the result.
type Config struct {
	Gotch    Source
	Libtorch Libtorch
	// CXX is the C++ compiler, "g++" if empty.
	CXX string
	// CacheDir is the directory under which fitted copies live.
	CacheDir string
	// Root is the module whose calls into gotch must not be disabled; ""
	// for none.
	Root string
	// Log, if not nil, is told each step that takes long.
	Log func(text string)

	// repairs are the changes to gotch's Go side, those for v0.7.0 if nil.
	repairs []repair
}

// Result is a fitted copy of gotch.
type Result struct {
	// Dir holds the copy, a Go module.
	Dir string
	// Disabled are the C++ functions that throw in this copy, sorted.
	Disabled []string
	// Fresh tells that the copy was made now, not found in the cache.
	Fresh bool
}

const (
	// wrapperMain is the C++ file that includes all others.
	wrapperMain = "torch_api.cpp"
	// objectFile is what it compiles to.
	objectFile = "torch_api.o"
	// disabledFile lists, in JSON, the functions disabled for that.
	disabledFile = "disabled.json"
)

// wrapperFiles are the C++ files whose functions may be disabled.
var wrapperFiles = []string{wrapperMain, "torch_api_generated.cpp.h"}

// Fit makes, or finds, the copy of gotch for a libtorch. The first time takes
// a minute or two, the next ones a fraction of a second.
func Fit(ctx context.Context, c Config) (Result, error) {
	if c.CXX == "" {
		c.CXX = "g++"
	}
	if c.repairs == nil {
		c.repairs = repairs
	}
	files, err := readModule(c.Gotch.Dir)
	if err != nil {
		return Result{}, fmt.Errorf("reading gotch %s: %w", c.Gotch.Version, err)
	}
	fitted, err := c.repairAndBuild(ctx, files)
	if err != nil {
		return Result{}, fmt.Errorf("fitting gotch %s to libtorch %s: %w", c.Gotch.Version, c.Libtorch.Version, err)
	}
	return fitted, nil
}

func (c Config) repairAndBuild(ctx context.Context, files map[string]string) (Result, error) {
	if err := add(files); err != nil {
		return Result{}, err
	}
	built, err := c.buildWrappers(ctx, files)
	if err != nil && ctx.Err() == nil && !Known(c.Libtorch.Version) {
		return Result{}, fmt.Errorf("%w; known to work are libtorch %s (Debian's libtorch-dev, or LIBTORCH=/path to one)", err, KnownVersions)
	} else if err != nil {
		return Result{}, err
	}
	var disabled []string
	if err := json.Unmarshal([]byte(built[disabledFile]), &disabled); err != nil {
		return Result{}, fmt.Errorf("%s: %w", disabledFile, err)
	}
	if c.Root != "" {
		if err := refuseNeeded(c.Root, files, disabled); err != nil {
			return Result{}, err
		}
	}
	if err := apply(c.repairs, files); err != nil {
		return Result{}, err
	}
	const generated = "libtch/c-generated.go"
	if files[generated], err = noescape(files[generated]); err != nil {
		return Result{}, fmt.Errorf("gotch's %s: %w", generated, err)
	}
	files["libtch/additions.go"] = additionsGo
	files["libtch/lib.go"] = libGo(c.Libtorch)
	files["libtch/"+objectFile] = built[objectFile]
	// The C++ is compiled; left where it was, cgo would do so again.
	for path := range files {
		if strings.HasSuffix(path, ".cpp") || strings.HasSuffix(path, ".cpp.h") || strings.HasPrefix(path, "libtch/stb_") {
			delete(files, path)
		}
	}
	name := fmt.Sprintf("gotch-%s-libtorch-%s-%s-%s", c.Gotch.Version, c.Libtorch.Version, c.Libtorch.Flavour(), digest(files))
	dir := filepath.Join(c.CacheDir, name)
	fresh, err := install(dir, files)
	return Result{Dir: dir, Disabled: disabled, Fresh: fresh}, err
}

// buildWrappers compiles gotch's C++ and returns the object file and the list
// of the functions it had to disable. It keeps both in the cache under a key of
// everything they depend on.
func (c Config) buildWrappers(ctx context.Context, files map[string]string) (map[string]string, error) {
	cxx := compiler{path: c.CXX, args: append([]string{"-I."}, c.Libtorch.compileFlags()...)}
	key, err := c.buildKey(ctx, cxx, files)
	if err != nil {
		return nil, err
	}
	cached := filepath.Join(c.CacheDir, "wrappers-"+key)
	if !complete(cached) {
		if c.Log != nil {
			c.Log(fmt.Sprintf("compiling gotch %s against libtorch %s (%s) in %s: about a minute, once",
				c.Gotch.Version, c.Libtorch.Version, c.Libtorch.Flavour(), c.Libtorch.LibDir))
		}
		built, err := compileWrappers(ctx, cxx, files)
		if err != nil {
			return nil, err
		}
		if _, err := install(cached, built); err != nil {
			return nil, err
		}
	}
	return readTree(cached, nil, func(path string) bool { return path != stamp })
}

// compileWrappers does the work of buildWrappers in a temporary directory.
func compileWrappers(ctx context.Context, cxx compiler, files map[string]string) (map[string]string, error) {
	dir, err := os.MkdirTemp("", "gotchfit-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for path, text := range files {
		name, ok := strings.CutPrefix(path, "libtch/")
		if !ok || strings.HasSuffix(name, ".go") {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	sources := map[string]string{}
	for _, name := range wrapperFiles {
		if text, ok := files["libtch/"+name]; ok {
			sources[name] = text
		}
	}
	disabled, err := cxx.fitWrappers(ctx, dir, wrapperMain, objectFile, sources)
	if err != nil {
		return nil, err
	}
	list, err := json.Marshal(disabled)
	if err != nil {
		return nil, err
	}
	object, err := os.ReadFile(filepath.Join(dir, objectFile))
	if err != nil {
		return nil, err
	}
	return map[string]string{disabledFile: string(list), objectFile: string(object)}, nil
}

// keyHeaders are the headers of libtorch that change whenever an operation is
// added, removed or given other arguments.
var keyHeaders = []string{"ATen/Functions.h", "ATen/core/TensorBody.h", "torch/version.h"}

// buildKey digests what the object file depends on: gotch's C++, the compiler,
// its flags, and libtorch's operations.
func (c Config) buildKey(ctx context.Context, cxx compiler, files map[string]string) (string, error) {
	identity, err := cxx.identity(ctx)
	if err != nil {
		return "", err
	}
	in := map[string]string{
		"compiler": c.CXX + " " + identity,
		"flags":    strings.Join(cxx.args, " "),
	}
	for path, text := range files {
		if strings.HasPrefix(path, "libtch/") && !strings.HasSuffix(path, ".go") {
			in[path] = text
		}
	}
	for _, name := range keyHeaders {
		if in[name], err = c.Libtorch.header(name); err != nil {
			return "", err
		}
	}
	return digest(in), nil
}
