// Package cmd is the command line: one file for each command, with its flags and its printing. What a command
// does is in the packages that it calls.
//
// Execute runs the command that the process's arguments name. All that a command knows of the outside comes from
// its world (world.go); errors become one line and an exit code in errors.go. Package promclient, below, asks servers: the only one of
// the program's packages that uses a network.
package cmd
