package share_test

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/etherx-go/xmpp/ext/oob"
	"github.com/etherx-go/xmpp/ext/oob/share"
)

// Sharing a file on the own network: http.Serve(listener, files) is up to the
// program.
func Example() {
	files := &share.Server{Base: "http://192.0.2.7:8000/"}
	link, revoke, err := files.Share("letter.txt", func() (io.ReadSeekCloser, error) { return os.Open("letter.txt") })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer revoke()
	offer := oob.Offer{URL: link, Desc: "A letter"} // oob.Send(ctx, s, to, offer)
	fmt.Println(strings.HasPrefix(offer.URL, "http://192.0.2.7:8000/"), strings.HasSuffix(offer.URL, "/letter.txt"))
	// Output: true true
}
