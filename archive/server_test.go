package archive_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

// TestServerGolden: an answer, byte by byte (XEP-0313, examples 2, 4 and 17).
func TestServerGolden(t *testing.T) {
	w := newWorld(t)
	ids := w.archive(2)
	got := w.ask("<iq type='set' id='juliet1'><query xmlns='urn:xmpp:mam:2' queryid='f27'/></iq>")
	if len(got) != 3 {
		t.Fatalf("%v", got)
	}
	result := func(i int, id, from, to string) string {
		return fmt.Sprintf("<message id='%s' to='juliet@capulet.lit/chamber' from='juliet@capulet.lit'><result xmlns='urn:xmpp:mam:2' queryid='f27' id='%s'>"+
			"<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:2%dZ'/>"+
			"<message xmlns='jabber:client' type='chat' to='%s' from='%s'><body>%d</body></message></forwarded></result></message>", id, ids[i], 5+i, to, from, i)
	}
	for i, want := range []string{
		result(0, got[0].ID, orchard.String(), chamber.String()), result(1, got[1].ID, chamber.String(), orchard.String()),
		"<iq type='result' id='juliet1' to='juliet@capulet.lit/chamber' from='juliet@capulet.lit'><fin xmlns='urn:xmpp:mam:2' complete='true'>" +
			"<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>" + ids[0] + "</first><last>" + ids[1] + "</last><count>2</count></set></fin></iq>",
	} {
		if got[i].String() != want {
			t.Errorf("got  %s\nwant %s", got[i], want)
		}
	}
}

func TestServerQueries(t *testing.T) {
	w := newWorld(t, func(s *archive.Server) { s.PageSize, s.MaxPage = 4, 6 })
	ids := w.archive(10)
	const max3 = "<set xmlns='http://jabber.org/protocol/rsm'><max>3</max>"
	for _, tt := range []struct{ name, in, want, fin string }{
		{"XEP-0313 4.3.1 a page of the server's size", "", "0 1 2 3", "first=0@0 last=3"},
		{"as many as asked for", max3 + "</set>", "0 1 2", "first=0@0 last=2"},
		{"no more than the server allows", "<set xmlns='http://jabber.org/protocol/rsm'><max>100</max></set>", "0 1 2 3 4 5", "first=0@0 last=5"},
		{"XEP-0313 4.3.2 the next page", max3 + "<after>" + ids[7] + "</after></set>", "8 9", "complete first=8 last=9"},
		{"XEP-0313 4.3.3 the last page", max3 + "<before/></set>", "7 8 9", "first=7 last=9"},
		{"XEP-0059 2.3 the page before", max3 + "<before>" + ids[2] + "</before></set>", "0 1", "complete first=0 last=1"},
		{"XEP-0313 4.3.4 a flipped page", max3 + "<after>" + ids[3] + "</after></set><flip-page/>", "6 5 4", "first=4 last=6"},
		{"XEP-0059 2.7 only the number", "<set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set>", "", "count=10"},
		{"only the number, after", "<set xmlns='http://jabber.org/protocol/rsm'><max>0</max><after>" + ids[7] + "</after></set>", "", "count=10"},
		{"XEP-0313 4.1.1 with", filter("with", "romeo@montague.lit") + max3 + "<before/></set>", "7 8 9", "first=7 last=9"},
		{"XEP-0313 4.1.1 with a resource", filter("with", "romeo@montague.lit/garden"), "", "complete count=0"},
		{"XEP-0313 4.1.1 with oneself", filter("with", "juliet@capulet.lit"), "", "complete count=0"},
		{"XEP-0313 4.1.2 a span of time", filter("start", "2010-07-10T23:08:27Z", "end", "2010-07-10T23:08:28Z"), "2 3", "complete first=2@0 last=3 count=2"},
		{"XEP-0313 4.1.3 between ids", filter("after-id", ids[1], "before-id", ids[4]), "2 3", "complete first=2@0 last=3 count=2"},
		{"XEP-0313 4.1.3 by ids", filter("ids", ids[7]), "7", "complete first=7@0 last=7 count=1"},
		{"how many with", filter("with", "romeo@montague.lit") + "<set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set>", "", "count=10"},
		{"XEP-0313 4.1.4 without rooms", filter("include-groupchat", "false") + max3 + "</set>", "0 1 2", "first=0@0 last=2"},
		{"behind the last", "<set xmlns='http://jabber.org/protocol/rsm'><after>" + ids[9] + "</after></set>", "", "complete"},
	} {
		bodies, end := w.results(w.ask("<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'>" + tt.in + "</query></iq>"))
		fin, ok, err := stanza.Decode[archive.Fin](end)
		if !ok || err != nil {
			t.Fatalf("%s: %v, %v", tt.name, end, err)
		}
		var said []string
		if fin.Complete {
			said = append(said, "complete")
		}
		if s := fin.Set; s.First != "" {
			first := fmt.Sprint("first=", slices.Index(ids, s.First))
			if s.HasIndex {
				first += fmt.Sprint("@", s.Index)
			}
			said = append(said, first, fmt.Sprint("last=", slices.Index(ids, s.Last)))
		}
		if fin.Set.HasCount {
			said = append(said, fmt.Sprint("count=", fin.Set.Count))
		}
		if got := strings.Join(said, " "); bodies != tt.want || got != tt.fin {
			t.Errorf("%s: %q, %s; want %q, %s", tt.name, bodies, got, tt.want, tt.fin)
		}
	}
}

// filter is a submission with fields, each a name and a value.
func filter(fields ...string) string {
	s := "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>"
	for i := 0; i < len(fields); i += 2 {
		s += value(fields[i], fields[i+1])
	}
	return s + "</x>"
}

func TestServerRefuses(t *testing.T) {
	w := newWorld(t, func(s *archive.Server) { s.MaxIDs, s.MaxPreferences = 2, 2 })
	ids := w.archive(3)
	query := func(in string) string { return "<query xmlns='urn:xmpp:mam:2'>" + in + "</query></iq>" }
	set := func(in string) string { return query("<set xmlns='http://jabber.org/protocol/rsm'>" + in + "</set>") }
	const own = "<iq type='set' id='1'>"
	for _, tt := range []struct{ name, iq, want string }{
		{"XEP-0313 example 21 after what is not there", own + set("<after>x</after>"), "item-not-found"},
		{"before what is not there", own + set("<before>x</before>"), "item-not-found"},
		{"XEP-0313 4.1.3 ids that are not there", own + query(filter("ids", "x")), "item-not-found"},
		{"XEP-0313 4.1.3 after-id", own + query(filter("after-id", "x")), "item-not-found"},
		{"XEP-0313 4.1.3 before-id", own + query(filter("before-id", "x")), "item-not-found"},
		{"how many after", own + query(filter("after-id", "x")+"<set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set>"), "item-not-found"},
		{"only the number, after", own + set("<max>0</max><after>x</after>"), "item-not-found"},
		{"only the number, before", own + set("<max>0</max><before>x</before>"), "item-not-found"},
		{"XEP-0313 4.1.5 a field that is not known", own + query(filter("{http://example.com/}free-text-search", "x")), "feature-not-implemented"},
		{"XEP-0059 2.6 by index", own + set("<index>5</index>"), "feature-not-implemented"},
		{"a node", own + "<query xmlns='urn:xmpp:mam:2' node='x'/></iq>", "item-not-found"},
		{"too many ids", own + query(strings.Replace(filter("ids", ids[0]), "</value></field></x>", "</value><value>b</value><value>c</value></field></x>", 1)), "not-acceptable"},
		{"no address", own + query(filter("with", "@")), "jid-malformed"},
		{"no number", own + set("<max>x</max>"), "bad-request"},
		{"XEP-0313 8.1 somebody else", "<iq type='set' id='1' from='romeo@montague.lit/x' to='juliet@capulet.lit'>" + query(""), "forbidden"},
		{"XEP-0313 8.1 somebody else, the form", "<iq type='get' id='1' from='romeo@montague.lit/x' to='juliet@capulet.lit'>" + query(""), "forbidden"},
		{"somebody else, metadata", "<iq type='get' id='1' from='romeo@montague.lit/x' to='juliet@capulet.lit'><metadata xmlns='urn:xmpp:mam:2'/></iq>", "forbidden"},
		{"somebody else, preferences", "<iq type='get' id='1' from='romeo@montague.lit/x' to='juliet@capulet.lit'><prefs xmlns='urn:xmpp:mam:2'/></iq>", "forbidden"},
		{"somebody else, to set", "<iq type='set' id='1' from='romeo@montague.lit/x' to='juliet@capulet.lit'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>", "forbidden"},
		{"the domain", "<iq type='set' id='1' to='capulet.lit'>" + query(""), "service-unavailable"},
		{"no such policy", own + "<prefs xmlns='urn:xmpp:mam:2' default='x'/></iq>", "bad-request"},
		{"too many addresses", own + "<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>a@b</jid><jid>c@d</jid></always><never><jid>e@f</jid></never></prefs></iq>", "not-acceptable"},
		{"an account that is gone", "<iq type='set' id='1' from='gone@capulet.lit/x'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>", "forbidden"},
	} {
		if got := w.answer(tt.iq); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestServerPage: what only a program can ask for.
func TestServerPage(t *testing.T) {
	w := newWorld(t, func(s *archive.Server) { s.MaxPageBytes = 1 })
	ids := w.archive(3)
	q := archive.Query{Set: rsm.Request{Last: true, Before: "x"}} // which is not looked at
	page, fin, err := w.server.Page(t.Context(), juliet, q)
	if err != nil || len(page.Messages) != 1 || fin.Complete || fin.Set.Last != ids[2] {
		t.Errorf("%d messages, %+v, %v; a page ends after a byte", len(page.Messages), fin, err)
	}
}

// TestServerForm: XEP-0313, example 15.
func TestServerForm(t *testing.T) {
	w := newWorld(t)
	for _, ns := range []string{archive.NS, archive.NS1, archive.NS0} {
		want := "<query xmlns='" + ns + "'><x xmlns='jabber:x:data' type='form'><field var='FORM_TYPE' type='hidden'><value>" + ns + "</value></field>" +
			"<field var='with' type='jid-single'/><field var='start' type='text-single'/><field var='end' type='text-single'/>" +
			"<field var='before-id' type='text-single'/><field var='after-id' type='text-single'/><field var='ids' type='list-multi'>" +
			"<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'><open/></validate></field>" +
			"<field var='include-groupchat' type='boolean'/></x></query>"
		if got := w.answer("<iq type='get' id='form1'><query xmlns='" + ns + "'/></iq>"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestServerMetadata(t *testing.T) {
	w := newWorld(t)
	const ask = "<iq type='get' id='1'><metadata xmlns='urn:xmpp:mam:2'/></iq>"
	if got := w.answer(ask); got != "<metadata xmlns='urn:xmpp:mam:2'/>" {
		t.Errorf("an empty archive: %s", got)
	}
	ids := w.archive(3)
	want := "<metadata xmlns='urn:xmpp:mam:2'><start id='" + ids[0] + "' timestamp='2010-07-10T23:08:25Z'/><end id='" + ids[2] + "' timestamp='2010-07-10T23:08:27Z'/></metadata>"
	if got := w.answer(ask); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestServerFeatures(t *testing.T) {
	w := newWorld(t)
	if f := w.server.Features(juliet); !slices.Equal(f, []string{stanzaid.NS, archive.NS, archive.NSExtended, archive.NSGroupChatField}) {
		t.Errorf("%q", f)
	}
	if f := w.server.Features(jid.MustParse("capulet.lit")); f != nil {
		t.Errorf("of the domain %q", f)
	}
}

func TestServerPreferences(t *testing.T) {
	w := newWorld(t)
	const never = "<never><jid>montague@montague.lit</jid></never>"
	for _, ns := range []string{archive.NS, archive.NS1, archive.NS0} {
		open := "<prefs xmlns='" + ns + "'"
		for _, tt := range []struct{ iq, want string }{
			{"<iq type='set' id='1'>" + open + " default='always'/></iq>", open + " default='always'><always/><never/></prefs>"},
			{"<iq type='get' id='1'>" + open + "/></iq>", open + " default='always'><always/><never/></prefs>"},
			{"<iq type='set' id='1'>" + open + " default='never'><always><jid>romeo@montague.lit</jid></always>" + never + "</prefs></iq>",
				open + " default='never'><always><jid>romeo@montague.lit</jid></always>" + never + "</prefs>"},
			{"<iq type='get' id='1'>" + open + "/></iq>", open + " default='never'><always><jid>romeo@montague.lit</jid></always>" + never + "</prefs>"},
			// No policy: it stays.
			{"<iq type='set' id='1'>" + open + ">" + never + "</prefs></iq>", open + " default='never'><always/>" + never + "</prefs>"},
			// Nobody knows the roster.
			{"<iq type='set' id='1'>" + open + " default='roster'/></iq>", open + " default='always'><always/><never/></prefs>"},
		} {
			if got := w.answer(tt.iq); got != tt.want {
				t.Errorf("%s\ngot  %s\nwant %s", tt.iq, got, tt.want)
			}
		}
	}
	w = newWorld(t, func(s *archive.Server) {
		s.Default = archive.Never
		s.InRoster = func(context.Context, jid.JID, jid.JID) (bool, error) { return true, nil }
	})
	if got := w.answer("<iq type='get' id='1'><prefs xmlns='urn:xmpp:mam:2'/></iq>"); got != "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>" {
		t.Errorf("the default: %s", got)
	}
	if got := w.answer("<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' default='roster'/></iq>"); got != "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always/><never/></prefs>" {
		t.Errorf("roster: %s", got)
	}
}

// TestServerOldVersions: version 1 is answered as version 2; in version 0 the iq
// comes first, and a message at the end.
func TestServerOldVersions(t *testing.T) {
	w := newWorld(t)
	ids := w.archive(3)
	const set = "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max></set>"
	got := w.ask("<iq type='set' id='1'><query xmlns='urn:xmpp:mam:1' queryid='q'>" + strings.ReplaceAll(filter("with", "romeo@montague.lit"), "mam:2", "mam:1") + set + "</query></iq>")
	if len(got) != 3 || got[0].Child(archive.NS1, "result").Attr("queryid") != "q" || got[2].Child(archive.NS1, "fin").IsZero() {
		t.Errorf("version 1: %v", got)
	}
	got = w.ask("<iq type='set' id='1'><query xmlns='urn:xmpp:mam:0' queryid='q'>" + set + "</query></iq>")
	if len(got) != 4 || got[0].String() != "<iq type='result' id='1' to='juliet@capulet.lit/chamber' from='juliet@capulet.lit'/>" ||
		got[1].Child(archive.NS0, "result").Attr("id") != ids[0] || got[2].Child(archive.NS0, "result").Attr("id") != ids[1] {
		t.Fatalf("version 0: %v", got)
	}
	want := "<message to='juliet@capulet.lit/chamber' from='juliet@capulet.lit'><fin xmlns='urn:xmpp:mam:0' queryid='q'>" +
		"<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>" + ids[0] + "</first><last>" + ids[1] + "</last></set></fin></message>"
	if got[3].String() != want {
		t.Errorf("version 0: %s, want %s", got[3], want)
	}
}

func TestServerAttach(t *testing.T) {
	w := newWorld(t)
	if err := new(archive.Server).Attach(w); err == nil {
		t.Error("without a store")
	}
	if err := (&archive.Server{Store: w.store}).Attach(&clientHost{}); err == nil {
		t.Error("to a client")
	}
	if err := new(archive.Client).Attach(w); err == nil {
		t.Error("a client to a server")
	}
}

func TestServerAccess(t *testing.T) {
	w := newWorld(t, func(s *archive.Server) {
		s.Access = func(_ context.Context, from, a jid.JID) error {
			if from.Bare() == romeo && a == juliet {
				return nil
			}
			return stanza.NotAllowed
		}
	})
	w.archive(1)
	if got := w.ask("<iq type='set' id='1' from='romeo@montague.lit/orchard' to='juliet@capulet.lit'><query xmlns='urn:xmpp:mam:2'/></iq>"); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if got := w.answer("<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'/></iq>"); got != "not-allowed" {
		t.Errorf("%s", got)
	}
	// What is stored for oneself is not what somebody else's archive has.
	page, _, err := w.server.Page(t.Context(), juliet, archive.Query{})
	if err != nil || len(page.Messages) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	st := parse(t, "<message><stanza-id xmlns='urn:xmpp:sid:0' id='"+page.Messages[0].ID+"' by='romeo@montague.lit'/></message>")
	if w.server.Has(jid.MustParse("romeo@montague.lit/orchard"), st) {
		t.Error("Romeo is withheld what is only in Juliet's archive")
	}
}

// failing is a store that fails.
type failing struct {
	archive.Store
	err error
}

func (f *failing) Append(ctx context.Context, e ...archive.Entry) ([]string, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Store.Append(ctx, e...)
}

func (f *failing) Query(context.Context, jid.JID, archive.Filter, archive.Paging) (archive.Page, error) {
	return archive.Page{}, f.err
}

func (f *failing) Metadata(context.Context, jid.JID) (archive.Metadata, error) {
	return archive.Metadata{}, f.err
}

func (f *failing) Preferences(ctx context.Context, j jid.JID) (archive.Preferences, error) {
	if f.err != nil {
		return archive.Preferences{}, f.err
	}
	return f.Store.Preferences(ctx, j)
}

func (f *failing) SetPreferences(context.Context, jid.JID, archive.Preferences) error { return f.err }

func (f *failing) Purge(context.Context, jid.JID, time.Time, int) (int, error) { return 0, errStore }

var errStore = errors.New("the disk is full")

func TestServerFailures(t *testing.T) {
	store := &failing{Store: memory.New().Archives(), err: errStore}
	var log strings.Builder
	w := newWorld(t, func(s *archive.Server) { s.Store, s.Log = store, slog.New(slog.NewTextHandler(&log, nil)) })
	for _, iq := range []string{
		"<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'/></iq>", "<iq type='get' id='1'><metadata xmlns='urn:xmpp:mam:2'/></iq>",
		"<iq type='get' id='1'><prefs xmlns='urn:xmpp:mam:2'/></iq>", "<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2'/></iq>",
		"<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>",
	} {
		if got := w.answer(iq); got != "internal-server-error" {
			t.Errorf("%s: %s", iq, got)
		}
	}
	st := parse(t, "<message from='romeo@montague.lit/x' to='juliet@capulet.lit'><body>x</body><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='juliet@capulet.lit'/></message>")
	if out, err := w.server.Incoming(t.Context(), st); !errors.Is(err, errStore) || out.ID != "" || out.Stanza == nil {
		t.Errorf("Incoming: %+v, %v", out, err)
	}
	plain := parse(t, "<message from='romeo@montague.lit/x' to='juliet@capulet.lit'><body>x</body></message>")
	for name, fn := range map[string]func(context.Context, *stanza.Stanza) (archive.Outcome, error){"Incoming": w.server.Incoming, "Outgoing": w.server.Outgoing} {
		if out, err := fn(t.Context(), plain); !errors.Is(err, errStore) || out.ID != "" || out.Stanza != plain {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
		store.err = nil
		if _, err := fn(t.Context(), plain); err != nil { // the preferences are known now
			t.Errorf("%s: %v", name, err)
		}
		store.err = errStore
		if out, err := fn(t.Context(), plain); !errors.Is(err, errStore) || out.ID != "" || out.Stanza != plain {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
		if sent, received, err := w.server.Local(t.Context(), plain); !errors.Is(err, errStore) || sent.ID+received.ID != "" || received.Stanza != plain {
			t.Errorf("Local: %+v, %+v, %v", sent, received, err)
		}
		w.server.RemoveAccount(t.Context(), romeo)
		w.server.RemoveAccount(t.Context(), juliet)
	}
	if _, err := w.server.Sweep(t.Context()); !errors.Is(err, errStore) {
		t.Errorf("Sweep: %v", err)
	}
	if !strings.Contains(log.String(), "archive: purge") { // which does not fail a message
		t.Errorf("the log has %q", log.String())
	}
	store.err = nil
	w.err = errStore
	if got := w.answer("<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>"); got != "internal-server-error" {
		t.Errorf("accounts: %s", got)
	}
	w = newWorld(t)
	w.archive(2)
	w.fail = errStore
	for _, ns := range []string{archive.NS, archive.NS0} {
		if got := w.ask("<iq type='set' id='1'><query xmlns='" + ns + "'/></iq>"); stanza.AsError(got[len(got)-1].Err()).Condition != stanza.InternalServerError {
			t.Errorf("%v", got)
		}
	}
	w = newWorld(t, func(s *archive.Server) {
		s.Default = archive.Roster
		s.InRoster = func(context.Context, jid.JID, jid.JID) (bool, error) { return false, errStore }
	})
	if out, err := w.server.Incoming(t.Context(), plain); !errors.Is(err, errStore) || out.Stanza != plain {
		t.Errorf("roster: %+v, %v", out, err)
	}
}

// TestPaced: the messages of a page wait for a client that reads slowly.
func TestPaced(t *testing.T) {
	w := newWorld(t)
	w.archive(3)
	p := &paced{world: w}
	st := parse(t, "<iq type='set' id='1' from='juliet@capulet.lit/chamber' to='juliet@capulet.lit'><query xmlns='urn:xmpp:mam:2'/></iq>")
	if err := w.mux.HandleXMPP(t.Context(), p, st); err != nil || p.n != 3 || len(w.sent) != 4 {
		t.Errorf("%d of %d were sent so, %v", p.n, len(w.sent), err)
	}
}

type paced struct {
	*world
	n int
}

func (p *paced) SendPaced(ctx context.Context, st *stanza.Stanza) error {
	p.n++
	return p.Send(ctx, st)
}

// hookRow is a message and what becomes of it.
type hookRow struct {
	name, in string
	// What is delivered, and what the sender's other clients get; ID stands for
	// the id.
	stanza, own string
	archived    bool
}

func (h *hookRow) check(t *testing.T, w *world, fn func(context.Context, *stanza.Stanza) (archive.Outcome, error), of jid.JID) {
	t.Helper()
	st := parse(t, h.in)
	before, _ := w.store.Count(t.Context(), of, archive.Filter{})
	out, err := fn(t.Context(), st)
	after, _ := w.store.Count(t.Context(), of, archive.Filter{})
	if h.stanza == "" {
		h.stanza = h.in
	}
	if h.own == "" {
		h.own = h.stanza
	}
	fill := func(s string) string { return strings.ReplaceAll(s, "ID", out.ID) }
	if err != nil || (out.ID != "") != h.archived || (after > before) != h.archived || out.Stanza.String() != fill(h.stanza) || out.Own.String() != fill(h.own) {
		t.Errorf("%s: %q, %d more, %v\ngot  %s\nown  %s\nwant %s\nand  %s", h.name, out.ID, after-before, err, out.Stanza, out.Own, fill(h.stanza), fill(h.own))
	}
	if h.stanza == h.in && !h.archived && out.Stanza != st {
		t.Errorf("%s: the stanza was made anew", h.name)
	}
	if out.ID == "" {
		return
	}
	page, err := w.store.Query(t.Context(), of, archive.Filter{IDs: []string{out.ID}}, archive.Paging{Max: 1})
	if err != nil || strings.Contains(page.Messages[0].Stanza.String(), "by='"+of.String()) {
		t.Errorf("%s: archived as %v, %v", h.name, page.Messages, err)
	}
}

func TestIncoming(t *testing.T) {
	w := newWorld(t)
	const (
		open  = "<message type='chat' to='juliet@capulet.lit/balcony' from='romeo@montague.lit/orchard'>"
		mine  = "<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='Juliet@capulet.lit'/>"
		other = "<stanza-id xmlns='urn:xmpp:sid:0' id='x' by='room@chat.lit'/><origin-id xmlns='urn:xmpp:sid:0' id='o'/>"
		id    = "<stanza-id xmlns='urn:xmpp:sid:0' id='ID' by='juliet@capulet.lit'/>"
	)
	for _, h := range []hookRow{
		{"XEP-0313 example 1", open + "<body>x</body></message>", open + "<body>x</body>" + id + "</message>", "", true},
		{"XEP-0359 rule 2 a forged id", open + mine + "<body>x</body></message>", open + "<body>x</body>" + id + "</message>", "", true},
		{"XEP-0359 rule 2 without archiving", open + mine + "<active xmlns='http://jabber.org/protocol/chatstates'/></message>",
			open + "<active xmlns='http://jabber.org/protocol/chatstates'/></message>", "", false},
		{"XEP-0359 rule 2 in a headline", "<message type='headline' to='juliet@capulet.lit' from='romeo@montague.lit'><body/>" + mine + "</message>",
			"<message type='headline' to='juliet@capulet.lit' from='romeo@montague.lit'><body/></message>", "", false},
		{"XEP-0359 rule 4 two forged ids", open + mine + mine + "<body>x</body></message>", open + "<body>x</body>" + id + "</message>", "", true},
		{"XEP-0359 rule 3 ids of others", open + other + "<body>x</body></message>", open + other + "<body>x</body>" + id + "</message>", "", true},
		{"a chat state", open + "<active xmlns='http://jabber.org/protocol/chatstates'/></message>", "", "", false},
		{"presence", "<presence to='juliet@capulet.lit' from='romeo@montague.lit'><body/></presence>", "", "", false},
		{"iq", "<iq type='get' id='1' to='juliet@capulet.lit' from='romeo@montague.lit'>" + mine + "</iq>", "", "", false},
		{"of oneself", "<message type='chat' to='juliet@capulet.lit' from='juliet@capulet.lit/chamber'><body>x</body></message>", "", "", false},
	} {
		h.check(t, w, w.server.Incoming, juliet)
	}
}

func TestOutgoing(t *testing.T) {
	w := newWorld(t)
	const (
		open   = "<message type='chat' to='romeo@montague.lit' from='juliet@capulet.lit/chamber'>"
		forged = "<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='juliet@capulet.lit'/>"
		others = "<stanza-id xmlns='urn:xmpp:sid:0' id='x' by='romeo@montague.lit'/>"
		id     = "<stanza-id xmlns='urn:xmpp:sid:0' id='ID' by='juliet@capulet.lit'/>"
		self   = "<message type='chat' to='juliet@capulet.lit' from='juliet@capulet.lit/chamber'>"
	)
	for _, h := range []hookRow{
		{"XEP-0313 3.5 the recipient gets no id", open + "<body>x</body></message>", open + "<body>x</body></message>", open + "<body>x</body>" + id + "</message>", true},
		{"a forged id of one's own", open + forged + "<body>x</body></message>", open + "<body>x</body></message>", open + "<body>x</body>" + id + "</message>", true},
		{"one of the recipient, who takes it away", open + others + "<body>x</body></message>", open + others + "<body>x</body></message>",
			open + others + "<body>x</body>" + id + "</message>", true},
		{"not archived", open + "<body>x</body><no-store xmlns='urn:xmpp:hints'/></message>", "", "", false},
		{"not archived, and forged", open + "<thread>x</thread>" + forged + "</message>", open + "<thread>x</thread></message>", "", false},
		{"to oneself", self + "<body>x</body></message>", self + "<body>x</body>" + id + "</message>", "", true},
		{"presence", "<presence to='romeo@montague.lit' from='juliet@capulet.lit/chamber'/>", "", "", false},
	} {
		h.check(t, w, w.server.Outgoing, juliet)
	}
	page, err := w.store.Query(t.Context(), juliet, archive.Filter{With: romeo}, archive.Paging{Max: 10, MaxBytes: -1})
	if err != nil || len(page.Messages) != 3 {
		t.Errorf("with Romeo: %v, %v", page, err)
	}
	page, err = w.store.Query(t.Context(), juliet, archive.Filter{With: juliet}, archive.Paging{Max: 10, MaxBytes: -1})
	if err != nil || len(page.Messages) != 1 {
		t.Errorf("with herself: %v, %v", page, err)
	}
}

// TestIncomingAgain: a message that is routed anew is archived once, and nobody
// can make use of that.
func TestIncomingAgain(t *testing.T) {
	w := newWorld(t)
	st := parse(t, "<message type='chat' to='juliet@capulet.lit/balcony' from='romeo@montague.lit/orchard'><body>x</body></message>")
	first, err := w.server.Incoming(t.Context(), st)
	if err != nil || first.ID == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	late, err := first.Stanza.Adding(stanza.Raw("<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.server.Incoming(t.Context(), late)
	if err != nil || again.ID != first.ID || again.Stanza != late {
		t.Errorf("%+v, %v", again, err)
	}
	h := first.Stanza.Header
	h.From = jid.MustParse("tybalt@capulet.lit/x")
	other, err := w.server.Incoming(t.Context(), first.Stanza.With(h))
	if err != nil || other.ID == first.ID || other.ID == "" {
		t.Errorf("of somebody else: %+v, %v", other, err)
	}
	if n, err := w.store.Count(t.Context(), juliet, archive.Filter{}); n != 2 || err != nil {
		t.Errorf("%d are archived, %v", n, err)
	}
	own := parse(t, "<message to='juliet@capulet.lit' from='juliet@capulet.lit/chamber'><body>x</body></message>")
	out, err := w.server.Outgoing(t.Context(), own)
	if err != nil || out.ID == "" {
		t.Fatal(out, err)
	}
	if in, err := w.server.Incoming(t.Context(), out.Stanza); in.ID != out.ID || in.Stanza != out.Stanza || err != nil {
		t.Errorf("to oneself: %+v, %v", in, err)
	}
}

func TestLocal(t *testing.T) {
	w := newWorld(t)
	count := func(j jid.JID) int {
		n, err := w.store.Count(t.Context(), j, archive.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const open = "<message type='chat' to='romeo@montague.lit' from='juliet@capulet.lit/chamber'>"
	st := parse(t, open+"<body>x</body></message>")
	sent, received, err := w.server.Local(t.Context(), st)
	id := func(by jid.JID, id string) string {
		return "<stanza-id xmlns='urn:xmpp:sid:0' id='" + id + "' by='" + by.String() + "'/>"
	}
	if err != nil || sent.Stanza != st || sent.Own.String() != open+"<body>x</body>"+id(juliet, sent.ID)+"</message>" ||
		received.Stanza.String() != open+"<body>x</body>"+id(romeo, received.ID)+"</message>" || count(juliet) != 1 || count(romeo) != 1 {
		t.Errorf("sent %+v, received %+v, %v", sent, received, err)
	}
	st = parse(t, "<message to='juliet@capulet.lit' from='juliet@capulet.lit/chamber'><body>x</body></message>")
	sent, received, err = w.server.Local(t.Context(), st)
	if err != nil || sent.ID == "" || received.ID != sent.ID || received.Stanza != sent.Stanza || count(juliet) != 2 {
		t.Errorf("to herself: sent %+v, received %+v, %v", sent, received, err)
	}
	st = parse(t, open+"<thread>1</thread></message>")
	sent, received, err = w.server.Local(t.Context(), st)
	if err != nil || sent.ID+received.ID != "" || sent.Stanza != st || received.Stanza != st || count(juliet) != 2 {
		t.Errorf("not archived: sent %+v, received %+v, %v", sent, received, err)
	}
	// Only one of them wants it.
	w.answer("<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' default='always'><never><jid>romeo@montague.lit</jid></never></prefs></iq>")
	st = parse(t, open+"<body>x</body></message>")
	sent, received, err = w.server.Local(t.Context(), st)
	if err != nil || sent.ID != "" || sent.Own != st || received.ID == "" || count(juliet) != 2 || count(romeo) != 2 {
		t.Errorf("one: sent %+v, received %+v, %v", sent, received, err)
	}
	if err := w.server.RemoveAccount(t.Context(), romeo); err != nil || count(romeo) != 0 {
		t.Errorf("%v, %d are left", err, count(romeo))
	}
	// An account of the same name has no preferences yet.
	if err := w.server.RemoveAccount(t.Context(), juliet); err != nil {
		t.Fatal(err)
	}
	if sent, _, err = w.server.Local(t.Context(), st); err != nil || sent.ID == "" {
		t.Errorf("made anew: %+v, %v", sent, err)
	}
}

// TestLocalFails: if one of them cannot be asked neither archives.
func TestLocalFails(t *testing.T) {
	for _, fails := range []jid.JID{juliet, romeo} {
		w := newWorld(t, func(s *archive.Server) {
			s.Default = archive.Roster
			s.InRoster = func(_ context.Context, account, _ jid.JID) (bool, error) {
				if account == fails {
					return false, errStore
				}
				return true, nil
			}
		})
		st := parse(t, "<message type='chat' to='romeo@montague.lit' from='juliet@capulet.lit/chamber'><body>x</body></message>")
		sent, received, err := w.server.Local(t.Context(), st)
		if !errors.Is(err, errStore) || sent.ID+received.ID != "" || received.Stanza != st {
			t.Errorf("%v: sent %+v, received %+v, %v", fails, sent, received, err)
		}
		for _, j := range []jid.JID{juliet, romeo} {
			if n, err := w.store.Count(t.Context(), j, archive.Filter{}); n != 0 || err != nil {
				t.Errorf("%v: %d messages of %v, %v", fails, n, j, err)
			}
		}
	}
}

// careful is a store that gives up with its context.
type careful struct{ archive.Store }

func (c careful) Append(ctx context.Context, entries ...archive.Entry) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.Store.Append(ctx, entries...)
}

// TestSenderGone: a message is archived also if its sender's stream has ended meanwhile.
func TestSenderGone(t *testing.T) {
	w := newWorld(t, func(s *archive.Server) { s.Store = careful{s.Store} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	st := parse(t, "<message to='juliet@capulet.lit' from='romeo@montague.lit'><body>x</body></message>")
	if out, err := w.server.Incoming(ctx, st); err != nil || out.ID == "" {
		t.Errorf("%+v, %v", out, err)
	}
}

// slowPreferences is a store from which preferences come late.
type slowPreferences struct {
	archive.Store
	read func() // called when they were read
}

func (s *slowPreferences) Preferences(ctx context.Context, j jid.JID) (archive.Preferences, error) {
	p, err := s.Store.Preferences(ctx, j)
	if fn := s.read; fn != nil {
		s.read = nil
		fn()
	}
	return p, err
}

// TestPreferencesChangeMeanwhile: what was read before a change is not cached.
func TestPreferencesChangeMeanwhile(t *testing.T) {
	slow := &slowPreferences{Store: memory.New().Archives()}
	w := newWorld(t, func(s *archive.Server) { s.Store = slow })
	slow.read = func() {
		w.answer("<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>")
	}
	st := parse(t, "<message to='juliet@capulet.lit' from='romeo@montague.lit'><body>x</body></message>")
	for i, archived := range []bool{true, false} {
		out, err := w.server.Incoming(t.Context(), st)
		if err != nil || (out.ID != "") != archived {
			t.Errorf("message %d: %+v, %v", i, out, err)
		}
	}
}

// TestPreferencesCount: a change counts at once, also if they were cached.
func TestPreferencesCount(t *testing.T) {
	w := newWorld(t, func(s *archive.Server) {
		s.MaxAccounts = 1
		s.InRoster = func(_ context.Context, account, contact jid.JID) (bool, error) {
			return account == juliet && contact == romeo, nil
		}
	})
	archives := func(from string) bool {
		t.Helper()
		out, err := w.server.Incoming(t.Context(), parse(t, "<message to='juliet@capulet.lit' from='"+from+"'><body>x</body></message>"))
		if err != nil {
			t.Fatal(err)
		}
		w.server.Incoming(t.Context(), parse(t, "<message to='romeo@montague.lit' from='"+from+"'><body>x</body></message>")) // who needs the cache, too
		return out.ID != ""
	}
	for _, tt := range []struct {
		prefs         string
		romeo, tybalt bool
	}{
		{"default='always'/>", true, true}, {"default='never'/>", false, false}, {"default='roster'/>", true, false},
		{"default='never'><always><jid>tybalt@capulet.lit/x</jid></always></prefs>", false, true},
	} {
		w.answer("<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' " + tt.prefs + "</iq>")
		for range 2 {
			if r, ty := archives("romeo@montague.lit/x"), archives("tybalt@capulet.lit/x"); r != tt.romeo || ty != tt.tybalt {
				t.Errorf("%s: Romeo %v, Tybalt %v", tt.prefs, r, ty)
			}
		}
	}
}

// TestBounds: an archive does not grow beyond its bounds by more than a hundred.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *archive.Server) { s.MaxMessages, s.MaxAge = 50, time.Hour })
		count := func() int {
			n, err := w.store.Count(t.Context(), juliet, archive.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		st := parse(t, "<message to='juliet@capulet.lit' from='romeo@montague.lit'><body>x</body></message>")
		most := 0
		for range 500 {
			if _, err := w.server.Incoming(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			most = max(most, count())
		}
		if most > 151 || most < 100 {
			t.Errorf("there were up to %d messages", most)
		}
		if _, err := w.server.Sweep(t.Context()); err != nil || count() != 50 {
			t.Errorf("%d messages, %v", count(), err)
		}
		time.Sleep(2 * time.Hour)
		if n, err := w.server.Sweep(t.Context()); n != 50 || err != nil || count() != 0 {
			t.Errorf("%d were removed, %v, %d are left", n, err, count())
		}
	})
}

// TestNoMaxAge: without a bound nothing is too old.
func TestNoMaxAge(t *testing.T) {
	for _, age := range []time.Duration{0, -1} {
		w := newWorld(t, func(s *archive.Server) { s.MaxAge = age })
		w.archive(3) // long ago
		if n, err := w.server.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("MaxAge %d: %d were removed, %v", age, n, err)
		}
	}
}

// TestHas: what a session has read in its archive it needs not be sent from the
// offline storage, and nothing else is kept from it.
func TestHas(t *testing.T) {
	for _, tt := range []struct{ name, query, want string }{
		{"nothing", "", ""},
		{"all", "<set xmlns='http://jabber.org/protocol/rsm'/>", "0123456789"},
		{"the first page", "<set xmlns='http://jabber.org/protocol/rsm'><max>3</max></set>", "012"},
		{"the last page", "<set xmlns='http://jabber.org/protocol/rsm'><max>3</max><before/></set>", "789"},
		{"since then", filter("start", "2010-07-10T23:08:30Z"), "56789"},
		{"with one", filter("with", "nurse@capulet.lit"), "159"},
		{"only the number", "<set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set>", ""},
	} {
		w := newWorld(t)
		ids := w.archive(10)
		var stored []*stanza.Stanza
		for _, id := range ids {
			stored = append(stored, parse(t, "<message><stanza-id xmlns='urn:xmpp:sid:0' id='"+id+"' by='juliet@capulet.lit'/></message>"))
		}
		if tt.name == "with one" {
			for i := 1; i < 10; i += 4 {
				st := parse(t, "<message to='juliet@capulet.lit' from='nurse@capulet.lit'><body>x</body></message>")
				e := archive.Entry{Archive: juliet, With: st.From, At: time.Now(), Stanza: st}
				id, err := w.store.Append(t.Context(), e)
				if err != nil {
					t.Fatal(err)
				}
				stored[i] = parse(t, "<message><stanza-id xmlns='urn:xmpp:sid:0' id='"+id[0]+"' by='juliet@capulet.lit'/></message>")
			}
		}
		if tt.query != "" {
			w.ask("<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'>" + tt.query + "</query></iq>")
		}
		has := func(session jid.JID) (got string) {
			for i, st := range stored {
				if w.server.Has(session, st) {
					got += fmt.Sprint(i)
				}
			}
			return got
		}
		if got := has(chamber); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if got := has(jid.MustParse("juliet@capulet.lit/other")); got != "" {
			t.Errorf("%s: another session has %s", tt.name, got)
		}
		w.server.SessionEnded(chamber)
		if got := has(chamber); got != "" {
			t.Errorf("%s: the session is over and has %s", tt.name, got)
		}
	}
	// Page by page, and page size by page size.
	w := newWorld(t, func(s *archive.Server) { s.MaxAccounts = 2 })
	ids := w.archive(10)
	for _, set := range []string{"", "<after>" + ids[2] + "</after>", "<after>" + ids[5] + "</after>"} {
		w.ask("<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>3</max>" + set + "</set></query></iq>")
	}
	for i, id := range ids {
		st := parse(t, "<message><stanza-id xmlns='urn:xmpp:sid:0' id='"+id+"' by='juliet@capulet.lit'/></message>")
		if w.server.Has(chamber, st) != (i < 9) {
			t.Errorf("message %d", i)
		}
	}
	first := parse(t, "<message><stanza-id xmlns='urn:xmpp:sid:0' id='"+ids[0]+"' by='juliet@capulet.lit'/></message>")
	for _, other := range []string{"<message><body>x</body></message>", "<message><stanza-id xmlns='urn:xmpp:sid:0' id='" + ids[0] + "' by='romeo@montague.lit'/></message>"} {
		if w.server.Has(chamber, parse(t, other)) {
			t.Errorf("%s is not in the archive", other)
		}
	}
	for i, has := range []bool{true, false} { // a bound on sessions
		w.ask(fmt.Sprintf("<iq type='set' id='1' from='juliet@capulet.lit/%d'><query xmlns='urn:xmpp:mam:2'/></iq>", i))
		if w.server.Has(chamber, first) != has {
			t.Errorf("after %d other sessions: %v", i+1, !has)
		}
		w.server.Has(jid.MustParse("juliet@capulet.lit/0"), first)
	}
}

// BenchmarkNotArchived is what a stanza costs that is not archived.
func BenchmarkNotArchived(b *testing.B) {
	w := newWorld(b)
	for name, src := range map[string]string{
		"presence":  "<presence to='juliet@capulet.lit' from='romeo@montague.lit'><show>away</show></presence>",
		"chatstate": "<message type='chat' to='juliet@capulet.lit' from='romeo@montague.lit'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
	} {
		st := parse(b, src)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if out, err := w.server.Incoming(b.Context(), st); err != nil || out.Stanza != st {
					b.Fatal(out, err)
				}
			}
		})
	}
}

// TestNoCost: what is not archived allocates nothing.
func TestNoCost(t *testing.T) {
	w := newWorld(t)
	for _, src := range []string{
		"<presence to='juliet@capulet.lit' from='romeo@montague.lit'><show>away</show></presence>",
		"<message type='chat' to='juliet@capulet.lit' from='romeo@montague.lit'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
	} {
		st := parse(t, src)
		n := testing.AllocsPerRun(100, func() {
			w.server.Incoming(t.Context(), st)
			w.server.Outgoing(t.Context(), st)
			w.server.Local(t.Context(), st)
		})
		if n > 0 {
			t.Errorf("%s: %v allocations", src, n)
		}
	}
}
