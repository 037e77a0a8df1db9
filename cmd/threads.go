package cmd

import (
	"os"
	"syscall"
)

// threadSettings is how libtorch's OpenMP threads behave. libgomp reads it when it is loaded, before main, so the
// program starts itself once more with it. Waiting threads that spin slow everything down on shared cores by up to
// 15 times; they are told to sleep.
var threadSettings = [][2]string{
	{"OMP_WAIT_POLICY", "passive"},
	{"GOMP_SPINCOUNT", "0"},
	{"OMP_NUM_THREADS", "1"}, // the default; torch_threads in a policy's configuration raises it
	{"OPENBLAS_NUM_THREADS", "1"},
}

// reexecMark tells the second start from the first.
const reexecMark = "GRLSCALER_THREADS_SET"

// reexecForThreads starts the program once more with the settings above, unless the user has chosen some. If that
// is not possible the program goes on as it is: only its speed suffers.
func reexecForThreads() {
	if _, done := os.LookupEnv(reexecMark); done {
		return
	}
	exe, err := os.Executable()
	if err != nil {
		return
	}
	env := append(os.Environ(), reexecMark+"=1")
	for _, s := range threadSettings {
		if _, chosen := os.LookupEnv(s[0]); !chosen {
			env = append(env, s[0]+"="+s[1])
		}
	}
	_ = syscall.Exec(exe, os.Args, env) // returns only when it failed
}
