package search

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var users = jid.MustParse("users.denmark")

// items returns the items of the users from..to, as XML.
func items(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "<item jid='u%d@denmark'><first>Hamlet</first></item>", i)
	}
	return b.String()
}

// oldService answers a search with several results, each after a time.
func oldService(t *testing.T, h *exttest.Host, every time.Duration, from string, bodies ...string) {
	h.Answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
		if iq.Type == stanza.TypeGet {
			return iq.Reply(stanza.Raw(open + "<first/><key>k</key></query>"))
		}
		go func() {
			for _, b := range bodies[1:] {
				time.Sleep(every)
				st := exttest.Parse(t, "<iq type='result' from='"+from+"' id='"+iq.ID+"'>"+open+b+"</query></iq>")
				if err := h.Mux().HandleXMPP(context.Background(), h, st); err != nil {
					t.Error(err)
				}
			}
		}()
		return iq.Reply(stanza.Raw(open + bodies[0] + "</query>"))
	}
}

func TestReq_GUIDE_9_search_7(t *testing.T) {
	for _, tt := range []struct {
		name      string
		g         *Gatherer
		every     time.Duration
		bodies    []string
		want      int
		truncated bool
		took      time.Duration
	}{
		{"GUIDE-9-search-7 until the blank one", &Gatherer{}, time.Second, []string{items(1, 2), items(3, 3),
			items(4, 5), ""}, 5, false, 3 * time.Second},
		{"GUIDE-9-search-7 all at once", &Gatherer{}, 0, []string{items(1, 2), items(3, 3), items(4, 5), ""}, 5, false, 0},
		{"GUIDE-9-search-7 until the timeout", &Gatherer{Wait: 5 * time.Second}, time.Second, []string{items(1, 2),
			items(3, 3)}, 3, false, 6 * time.Second},
		{"GUIDE-9-search-7 one result", &Gatherer{}, 0, []string{items(1, 2)}, 2, false, 2 * time.Second},
		{"GUIDE-9-search-4 nobody", &Gatherer{}, 0, []string{""}, 0, false, 0},
		{"GUIDE-9-search-5 truncated", &Gatherer{}, time.Second, []string{items(1, 2), items(3, 3) + "<truncated/>",
			items(4, 4)}, 3, true, time.Second},
		{"GUIDE-9-search-5 truncated at once", &Gatherer{}, time.Second, []string{items(1, 2) + "<truncated/>"}, 2, true, 0},
		{"too many", &Gatherer{MaxItems: 3}, time.Second, []string{items(1, 2), items(3, 6), items(7, 7), ""}, 3, true,
			time.Second},
		{"no limit", &Gatherer{MaxItems: -1}, 0, []string{items(1, 800), items(801, 1600), ""}, 1600, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := exttest.Attach(t, tt.g, "hamlet@denmark/castle")
				oldService(t, h, tt.every, "users.denmark", tt.bodies...)
				begin := time.Now()
				r, err := tt.g.Search(t.Context(), h, users, Field{First, "Hamlet"})
				if err != nil || len(r.Items) != tt.want || r.Truncated != tt.truncated || time.Since(begin) != tt.took {
					t.Errorf("%d items, truncated %v, after %v, %v", len(r.Items), r.Truncated, time.Since(begin), err)
				}
				if sent := h.Sent(); len(sent) != 2 || !strings.Contains(sent[1], "<key>k</key>") {
					t.Errorf("GUIDE-9-search-1: sent %q", sent)
				}
				time.Sleep(time.Minute) // what comes behind is for nobody
				if len(tt.g.waits) != 0 {
					t.Error("the search is still waited for")
				}
			})
		})
	}
}

func TestGathererIsNotFooled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gatherer{}
		h := exttest.Attach(t, g, "hamlet@denmark/castle")
		oldService(t, h, 0, "polonius@denmark", items(1, 1), items(2, 9), "")
		if r, err := g.Submit(t.Context(), h, users, Query{}); err != nil || len(r.Items) != 1 {
			t.Errorf("somebody else adds results: %+v, %v", r, err)
		}
	})
}

func TestGathererCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gatherer{}
		h := exttest.Attach(t, g, "hamlet@denmark/castle")
		oldService(t, h, time.Second, "users.denmark", items(1, 1), items(2, 2), items(3, 3))
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if r, err := g.Submit(ctx, h, users, Query{}); err != nil || len(r.Items) != 2 || !r.Truncated {
			t.Errorf("got %+v, %v", r, err)
		}
		time.Sleep(time.Minute) // the service has said all
	})
}

// TestErrors: what goes wrong is returned, by all that ask.
func TestErrors(t *testing.T) {
	g := &Gatherer{}
	h := exttest.Attach(t, g, "hamlet@denmark/castle")
	ask := map[string]func(...Field) error{
		"Search": func(f ...Field) error { _, err := Search(t.Context(), h, users, f...); return err },
		"gather": func(f ...Field) error { _, err := g.Search(t.Context(), h, users, f...); return err },
		"Enter":  func(f ...Field) error { return Enter(t.Context(), h, users, f...) },
	}
	for name, fn := range ask {
		h.Fail = xmpp.ErrClosed
		if err := fn(); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
		h.Fail = nil
		if name == "Enter" {
			continue
		}
		h.Answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
			if iq.Type == stanza.TypeSet {
				return nil, stanza.Forbidden
			}
			return iq.Reply(Query{Fields: four})
		}
		if err := fn(Field{First, "x"}); !errors.Is(err, stanza.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := errors.AsType[*UnknownFieldError](fn(Field{"x", "x"})); !ok {
			t.Errorf("%s: a field that the service does not know", name)
		}
		h.Answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) { return iq.Reply() }
		if err := fn(Field{"<", "x"}); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s: %v", name, err)
		}
		// An error in an iq of type result.
		h.Answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
			if iq.Type == stanza.TypeGet {
				return iq.Reply()
			}
			return exttest.Parse(t, "<iq type='result' id='1'><error code='404'>Not Found</error></iq>"), nil
		}
		if err := fn(Field{First, "x"}); !errors.Is(err, stanza.ItemNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
