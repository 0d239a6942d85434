//go:build expat && cgo

package expatdiff

import (
	"errors"
	"testing"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/internal/xmltok/xmltoktest"
)

// The scanner's own table of streams: libexpat confirms what it says of each, and sees
// the same in it, cut into single bytes, too.
func TestCases(t *testing.T) {
	for _, c := range xmltoktest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			doc := []byte(c.Input)
			single := make([]int, len(doc))
			for i := range single {
				single[i] = i + 1
			}
			if len(doc) == 0 {
				single = []int{0}
			}
			if _, err := expat(doc, single); (err == nil) != c.WellFormed {
				t.Errorf("%.1000q: libexpat says %v", doc, err)
			}
			if class := classOf(scan(doc, single, xmltok.Limits{}).err); class != c.Class {
				t.Errorf("%.1000q: class %v, want %v", doc, class, c.Class)
			}
			if d := compare(doc, single); d != "" {
				t.Errorf("%.1000q: %s", doc, d)
			}
		})
	}
}

// classOf takes input that ends too early for ill-formed, as libexpat does.
func classOf(err error) xmltok.Class {
	var bad *xmltok.Error
	switch {
	case errors.As(err, &bad):
		return bad.Class
	case isEOF(err):
		return xmltok.NotWellFormed
	}
	return 0
}
