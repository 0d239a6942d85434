// Command corpus writes generated XMPP streams to files, for programs that are not
// written in Go.
//
//	go run ./cmd/corpus -out DIR [-kind mixed] [-size 20000000]
//
// It prints the name, bytes, stanzas and SHA-256 of each file.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/etherx-go/xmpp/bench/corpus"
)

func main() {
	out := flag.String("out", "", "directory to write to")
	kind := flag.String("kind", "", "one kind; all if not given")
	size := flag.Int("size", 20_000_000, "bytes per file, about")
	flag.Parse()
	if err := run(*out, *kind, *size); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(out, kind string, size int) error {
	if out == "" {
		return fmt.Errorf("-out is missing")
	}
	kinds := corpus.Kinds
	if kind != "" {
		k, err := corpus.ParseKind(kind)
		if err != nil {
			return err
		}
		kinds = []corpus.Kind{k}
	}
	for _, k := range kinds {
		s := corpus.Generate(k, size)
		if err := os.WriteFile(filepath.Join(out, k.String()+".xml"), s.Data, 0o644); err != nil {
			return err
		}
		fmt.Println(k, len(s.Data), s.Len(), s.Sum())
	}
	return nil
}
