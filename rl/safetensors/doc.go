// Package safetensors reads and writes the safetensors format: named arrays and a table of strings in one file.
//
// A file is an 8-byte little-endian length, a JSON header of that length and the arrays' bytes, little-endian,
// side by side in the order of the header (https://github.com/huggingface/safetensors, format description).
// [File] is one such file in memory: fill it with Add and write it with [File.WriteTo], or read one with
// [Decode] and take arrays out with [Get]. What is written depends on what was added alone, byte for byte.
//
// Decode is strict: a header that does not account for every byte of the file, once, is an error. The package
// knows nothing of policies or checkpoints and opens no files.
package safetensors
