package gnn

// #cgo linux LDFLAGS: -ldl
// #cgo CFLAGS: -D_GNU_SOURCE
// #include <dlfcn.h>
// #include <malloc.h>
//
// // A training step frees what it allocated, and glibc would give much of that back to the kernel,
// // to be mapped and cleared again in the next step: a sixth of the time. Both limits keep it.
// static void keep_memory(void) {
//   mallopt(M_MMAP_THRESHOLD, 32 << 20);
//   mallopt(M_TRIM_THRESHOLD, 512 << 20);
//   mallopt(M_TOP_PAD, 16 << 20);
// }
//
// typedef void (*set_threads)(int);
//
// // The BLAS behind libtorch is the system's choice (update-alternatives), so that its function is
// // looked up when the program runs; 0 when another BLAS, without this function, is in use.
// static int blas_set_threads(int n) {
//   set_threads f = (set_threads)dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
//   if (!f) return 0;
//   f(n);
//   return 1;
// }
import "C"

import (
	"fmt"

	"github.com/sugarme/gotch/libtch"
)

// setThreads sets the number of threads of libtorch's operations on this thread and of OpenBLAS in
// this process. OpenBLAS keeps threads of its own, which also wait by spinning.
func setThreads(n int) error {
	libtch.AtSetNumThreads(n)
	if err := lastError(); err != nil {
		return fmt.Errorf("gnn: setting %d torch threads: %w", n, err)
	}
	C.blas_set_threads(C.int(n))
	C.keep_memory()
	return nil
}
