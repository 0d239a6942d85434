package bench

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ExpatName is the name of the row that [ExpatRow] makes.
const ExpatName = "libexpat, namespaces"

//go:embed expat/expat.c
var expatSource []byte

// ErrNoExpat says that the C compiler or libexpat with its header is missing
// (Debian: gcc and libexpat1-dev).
var ErrNoExpat = errors.New("bench: cannot build the libexpat program")

// ExpatRow compiles the C program in the folder expat and writes the stream to a
// file for it, both in dir, and returns the row that runs it: libexpat with
// namespaces, and handlers that do nothing. The compiler is $CC, or cc.
func ExpatRow(dir string, stanzas int, data []byte) (Row, error) {
	source, program, stream := filepath.Join(dir, "expat.c"), filepath.Join(dir, "expat"), filepath.Join(dir, "stream.xml")
	if err := os.WriteFile(source, expatSource, 0o600); err != nil {
		return Row{}, err
	}
	if err := os.WriteFile(stream, data, 0o600); err != nil {
		return Row{}, err
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	if out, err := exec.Command(cc, "-O2", "-o", program, source, "-lexpat").CombinedOutput(); err != nil {
		return Row{}, fmt.Errorf("%w: %w\n%s", ErrNoExpat, err, out)
	}
	run := func() (time.Duration, error) {
		out, err := exec.Command(program, stream).Output()
		if err != nil {
			return 0, fmt.Errorf("libexpat: %w", err)
		}
		return parseExpat(string(out), stanzas)
	}
	return Row{Name: ExpatName, Stanzas: stanzas, Bytes: len(data), CPU: run}, nil
}

// parseExpat reads the line that the program prints.
func parseExpat(line string, stanzas int) (time.Duration, error) {
	var took, each float64
	var elements int
	if _, err := fmt.Sscan(strings.TrimSpace(line), &took, &elements, &each); err != nil {
		return 0, fmt.Errorf("libexpat: output %q: %w", line, err)
	}
	if elements != stanzas {
		return 0, fmt.Errorf("libexpat saw %d elements, want %d", elements, stanzas)
	}
	return time.Duration(took), nil
}
