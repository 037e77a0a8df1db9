// Package gotchfit fits gotch, the Go binding of libtorch, to the libtorch
// that is installed.
//
// gotch's C++ side is one wrapper function per operation, written for one
// version of libtorch. Against another version most wrappers still compile and
// some do not, and one that does not keeps all others from being built. Fit
// makes a copy of gotch in which those few throw an error that names them:
//
//   - FindLibtorch finds the headers and libraries, FindSource gotch's
//     published source in Go's module cache.
//   - compile.go compiles the wrappers, traces each error to the function it
//     lies in, replaces that function's body and tries again, and so builds
//     the object file that programs link.
//   - needed.go refuses the result if a replaced function is one that this
//     program calls.
//   - repair.go mends faults of gotch's Go side: memory that each operation
//     leaks, arguments that needlessly move to the heap, missing functions.
//   - cache.go keeps the copy in a directory whose name stands for everything
//     that went into it, and the object file in another; a second run finds
//     both.
//   - WriteWorkspace writes the go.work in which the copy replaces gotch, so
//     that go.mod stays as it would be for any program.
//
// The command internal/cmd/gotchfit does all that for `make setup`. The package
// imports nothing but the standard library, because it runs before anything
// else can be built.
package gotchfit
