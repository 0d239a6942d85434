package datetime_test

import (
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
)

func Example() {
	t, err := datetime.Parse("1969-07-20T21:56:15-05:00")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(datetime.Format(t))
	fmt.Println(datetime.FormatLegacy(t))
	fmt.Println(datetime.FormatOffset(-6 * time.Hour))
	// Output:
	// 1969-07-21T02:56:15Z
	// 19690721T02:56:15
	// -06:00
}
