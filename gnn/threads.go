package gnn

// #cgo linux LDFLAGS: -ldl
// #cgo CFLAGS: -D_GNU_SOURCE
// #include <dlfcn.h>
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
	return nil
}
