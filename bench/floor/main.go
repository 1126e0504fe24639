// Floor reads every file of a tree and does nothing with it: the least that a
// scan of the tree must take.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func main() {
	files, bytes := 0, 0
	err := filepath.WalkDir(os.Args[1], func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		files, bytes = files+1, bytes+len(data)
		return err
	})
	fmt.Fprintln(os.Stderr, files, "files,", bytes, "bytes", err)
}
