//go:build interop

package interop

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/blocking"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/entitytime"
	"github.com/etherx-go/xmpp/ext/last"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/version"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/vcard"
)

// TestClientIM has our clients, with the helpers of the protocol packages, go
// through the same as slixmpp, with the same outcome.
func TestClientIM(t *testing.T) {
	testIM(t, "client", openClientStage)
}

func openClientStage(_ *testing.T, s *peer.Server) stage {
	return &clientStage{server: s, players: map[string]*player{}}
}

// slack is how far a time that somebody says may be from ours.
const slack = 2 * time.Minute

// clientStage is a stage of our own clients.
type clientStage struct {
	server  *peer.Server
	players map[string]*player

	mu   sync.Mutex
	seen []string
}

// player is a client on a stage.
type player struct {
	*client.Client
	stage    *clientStage
	who      string
	roster   *rosterWatcher
	tracker  *presence.Tracker
	csi      csi.Extension
	archive  archive.Client
	archived map[string]archive.Message // what it has seen of an archive, by the text
	settled  chan string                // the sentinels that have come
	cancel   context.CancelFunc
	ended    chan struct{}
	reason   error // how Run ended; valid after ended
	sentinel int

	mu      sync.Mutex
	leaving bool // what it sees now, it sees by chance
	silent  bool // nobody looks any more
}

func (s *clientStage) Take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func (s *clientStage) Clear(testing.TB) {
	for _, p := range s.players {
		p.mu.Lock()
		p.silent = true
		p.mu.Unlock()
		p.leave()
	}
	s.players = map[string]*player{}
}

// anyone returns a client that is online, nil if none is.
func (s *clientStage) anyone() *player {
	for _, who := range slices.Sorted(maps.Keys(s.players)) {
		select {
		case <-s.players[who].ended:
		default:
			return s.players[who]
		}
	}
	return nil
}

// Settle has every client send itself messages: when one has come, what was sent
// to the client before it has, and its handlers have been started.
func (s *clientStage) Settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for range 3 {
		s.settle(t, ctx)
	}
}

func (s *clientStage) settle(t testing.TB, ctx context.Context) {
	t.Helper()
	for _, who := range slices.Sorted(maps.Keys(s.players)) {
		s.players[who].settle(t, ctx)
	}
}

const settled = "settled "

func (p *player) settle(t testing.TB, ctx context.Context) {
	t.Helper()
	p.sentinel++
	body := settled + strconv.Itoa(p.sentinel)
	err := xmpp.Send(ctx, p, &stanza.Message{To: p.LocalAddr(), Type: stanza.TypeHeadline, Body: body})
	for err == nil {
		select {
		case got := <-p.settled:
			if got == body {
				return
			}
		case <-p.ended:
			return
		case <-ctx.Done():
			t.Fatalf("%s: the message to itself does not come back", p.who)
		}
	}
	if !errors.Is(err, xmpp.ErrNotConnected) && !errors.Is(err, xmpp.ErrClosed) {
		t.Fatalf("%s: %v", p.who, err)
	}
}

func (s *clientStage) Do(t testing.TB, who, op string, args map[string]any) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var lines []string
	var err error
	a := arguments(args)
	switch op {
	case "login":
		err = s.login(t, ctx, who, a)
	case "register":
		if err = s.register(ctx, a); err == nil {
			err = s.login(t, ctx, who, a)
		}
	default:
		do, ok := commands[op]
		if !ok {
			t.Fatalf("there is no command %q", op)
		}
		p := s.players[who]
		if p == nil {
			t.Fatalf("%s %s: %s is not there", who, op, who)
		}
		lines, err = do(ctx, p, a)
	}
	if err != nil {
		return []string{line("error", "condition", condition(err))}
	}
	return append([]string{"ok"}, lines...)
}

// condition names an error as the lines have it.
func condition(err error) string {
	if e, ok := errors.AsType[*stanza.Error](err); ok {
		return string(e.Condition)
	}
	if e, ok := errors.AsType[*sasl.Failure](err); ok {
		return string(e.Condition)
	}
	if errors.Is(err, xmpp.ErrSessionLost) {
		return "disconnected"
	}
	return err.Error()
}

// login starts a client and waits for its session.
func (s *clientStage) login(t testing.TB, ctx context.Context, who string, a arguments) error {
	t.Helper()
	full := jid.MustParse(a.one("jid"))
	p := &player{
		stage: s, who: who, roster: &rosterWatcher{Extension: new(roster.Extension)}, tracker: new(presence.Tracker),
		settled: make(chan string, 100), ended: make(chan struct{}), archived: map[string]archive.Message{},
	}
	p.roster.pushed = func(q roster.Query) { p.push(q) }
	cfg := config(t, s.server, peer.Account{User: full.Local(), Domain: full.Domain(), Password: a.one("password")}, false)
	cfg.JID = full
	cfg.NoPresence = true
	cfg.Log = nil
	cfg.OnDown = func(_ xmpp.Sender, reason error) {
		if e, ok := errors.AsType[*stream.Error](reason); ok && e.Remote {
			p.see("end", "condition", string(e.Condition))
		}
		p.cancel()
	}
	p.extend(&cfg)
	var err error
	if p.Client, err = client.New(cfg); err != nil {
		return err
	}
	var run context.Context
	run, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.ended)
		p.reason = p.Run(run)
	}()
	if err := p.WaitReady(ctx); err != nil {
		p.leave()
		return err
	}
	s.players[who] = p
	go func() {
		<-p.ended
		p.see("disconnected")
	}()
	return nil
}

// leave ends the client.
func (p *player) leave() {
	p.goes()
	p.cancel()
	<-p.ended
}

func (p *player) goes() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = true
}

// extend sets up what the client sees and answers.
func (p *player) extend(cfg *client.Config) {
	mux := new(xmpp.Mux)
	failed := []stanza.Type{stanza.TypeError}
	message := p.handle(func(st *stanza.Stanza) { p.copyOrMessage(st) })
	presence := p.handle(func(st *stanza.Stanza) { p.presence(st.Presence()) })
	mux.Handle(xmpp.Pattern{Kind: stanza.KindMessage}, message)
	mux.Handle(xmpp.Pattern{Kind: stanza.KindMessage, Types: failed}, message)
	mux.Handle(xmpp.Pattern{Kind: stanza.KindPresence}, presence)
	mux.Handle(xmpp.Pattern{Kind: stanza.KindPresence, Types: failed}, presence)
	cfg.Handler = mux
	cfg.Extensions = []xmpp.Extension{
		p.roster, p.tracker, &p.archive, &p.csi,
		&privacy.Extension{Changed: func(_ context.Context, _ xmpp.Sender, name string) { p.see("privacy", "list", name) }},
		&blocking.Extension{
			Blocked:   func(_ context.Context, jids []jid.JID) { p.see("blocked", "jid", sorted(jids)) },
			Unblocked: func(_ context.Context, jids []jid.JID) { p.see("unblocked", "jid", sorted(jids)) },
		},
		&version.Extension{Name: "interop"}, &entitytime.Extension{}, &disco.Extension{}, &ping.Extension{},
	}
}

func (p *player) handle(fn func(*stanza.Stanza)) xmpp.HandlerFunc {
	return func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		fn(st)
		return nil
	}
}

func (p *player) see(word string, pairs ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent || p.leaving && word != "end" && word != "disconnected" {
		return
	}
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.stage.seen = append(p.stage.seen, p.who+": "+line(word, pairs...))
}

func (p *player) message(m *stanza.Message) {
	if m.Type == stanza.TypeHeadline && strings.HasPrefix(m.Body, settled) {
		p.settled <- m.Body
		return
	}
	if m.Type == stanza.TypeError {
		p.see("message", "from", m.From, "type", m.Type, "condition", string(m.Error.Condition))
		return
	}
	late := ""
	if d, ok := delay.Of(m); ok {
		if late = "wrong"; time.Since(d.Stamp).Abs() < slack {
			late = d.From.String()
		}
	}
	// What it is by default says nothing.
	lang := strings.TrimPrefix(m.Lang, "en")
	p.see("message", "from", m.From, "to", m.To, "type", strings.TrimPrefix(string(m.Type), "normal"), "lang", lang,
		"body", m.Body, "delay", late, "extra", extrasOf(m))
}

func (p *player) presence(pr *stanza.Presence) {
	if pr.Type == stanza.TypeError {
		p.see("presence", "from", pr.From, "type", pr.Type, "condition", string(pr.Error.Condition))
		return
	}
	photo := ""
	var occupant occupant
	for _, payload := range pr.Payloads {
		var update vcard.Update
		switch e, ok := payload.(stanza.Element); {
		case ok && e.Name() == update.XMLName() && e.Decode(&update) == nil:
			photo = update.Hash
		case ok && e.Name() == occupant.name():
			_ = e.Decode(&occupant)
		}
	}
	p.see("presence", "from", pr.From, "type", string(pr.Type), "show", string(pr.Show), "status", pr.Status,
		"priority", priority(pr.Priority), "photo", photo, "code", occupant.codes())
}

// occupant is what a room tells with the presence of somebody in it (XEP-0045).
type occupant struct {
	XMLName xml.Name `xml:"http://jabber.org/protocol/muc#user x"`
	Status  []struct {
		Code string `xml:"code,attr"`
	} `xml:"status"`
}

func (occupant) name() xml.Name {
	return xml.Name{Space: "http://jabber.org/protocol/muc#user", Local: "x"}
}

func (o occupant) codes() (codes []string) {
	for _, s := range o.Status {
		codes = append(codes, s.Code)
	}
	slices.Sort(codes)
	return codes
}

func priority(n int8) string { return strings.TrimPrefix(strconv.Itoa(int(n)), "0") }

func (p *player) push(q roster.Query) {
	for _, it := range q.Items {
		p.see("push", rosterPairs(it)...)
	}
}

func rosterPairs(it roster.Item) []any {
	ask := ""
	if it.Ask {
		ask = "subscribe"
	}
	return []any{"jid", it.JID, "name", it.Name, "subscription", it.Subscription.String(), "ask", ask,
		"group", slices.Sorted(slices.Values(it.Groups))}
}

// rosterWatcher is the extension that keeps a copy of the roster, and tells of
// every push too, whether it changes the copy or not.
type rosterWatcher struct {
	*roster.Extension
	pushed func(roster.Query)
}

func (w *rosterWatcher) Attach(h xmpp.Host) error {
	inner := new(xmpp.Mux)
	if err := w.Extension.Attach(otherMux{h, inner}); err != nil {
		return err
	}
	pattern := xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeSet}, Payload: roster.Query{}.XMLName()}
	h.Mux().Handle(pattern, xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
		q, _, err := stanza.Decode[roster.Query](st)
		if err != nil {
			return err
		}
		w.pushed(q)
		return inner.HandleXMPP(ctx, s, st)
	}))
	return nil
}

// otherMux is a host whose extension adds its handlers elsewhere.
type otherMux struct {
	xmpp.Host
	mux *xmpp.Mux
}

func (h otherMux) Mux() *xmpp.Mux { return h.mux }

// arguments are those of a command; each is a string or several.
type arguments map[string]any

func (a arguments) all(key string) []string {
	switch v := a[key].(type) {
	case string:
		return []string{v}
	case []string:
		return v
	}
	return nil
}

func (a arguments) one(key string) string {
	if all := a.all(key); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (a arguments) jid(key string) jid.JID {
	if v := a.one(key); v != "" {
		return jid.MustParse(v)
	}
	return jid.JID{}
}

func (a arguments) jids(key string) (all []jid.JID) {
	for _, v := range a.all(key) {
		all = append(all, jid.MustParse(v))
	}
	return all
}

// line writes a word and pairs of keys and values, as slixmpp_stage.py does.
func line(word string, pairs ...any) string {
	var b strings.Builder
	b.WriteString(word)
	add := func(key, value any) {
		switch text := fmt.Sprint(value); {
		case text == "":
		case strings.Contains(text, " "):
			fmt.Fprintf(&b, " %s='%s'", key, text)
		default:
			fmt.Fprintf(&b, " %s=%s", key, text)
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		switch value := pairs[i+1].(type) {
		case []string:
			for _, v := range value {
				add(pairs[i], v)
			}
		case bool:
			if value {
				add(pairs[i], "True")
			}
		default:
			add(pairs[i], value)
		}
	}
	return b.String()
}

func sorted(jids []jid.JID) []string {
	var all []string
	for _, j := range jids {
		all = append(all, j.String())
	}
	slices.Sort(all)
	return all
}

// register makes an account, on a stream that does not log in.
func (s *clientStage) register(ctx context.Context, a arguments) error {
	return client.Register(ctx, client.Config{
		JID: jid.MustParse(a.one("jid")), Password: a.one("password"),
		Dialer: &stream.Dialer{Addr: s.server.Addr, Mode: stream.DialSTARTTLS},
		TLS:    &tls.Config{RootCAs: s.server.CA.Pool},
	})
}

// commands are what clients can be told, with the helpers of the packages.
var commands = map[string]func(context.Context, *player, arguments) ([]string, error){
	"logout": func(_ context.Context, p *player, _ arguments) ([]string, error) { p.leave(); return nil, p.reason },
	"ping": func(ctx context.Context, p *player, a arguments) ([]string, error) {
		return nil, ping.Ping(ctx, p, a.jid("to"))
	},
	"send":     send,
	"presence": sendPresence,
	"who":      who,
	"join":     join,

	"roster": getRoster,
	"add": func(ctx context.Context, p *player, a arguments) ([]string, error) {
		return nil, roster.Set(ctx, p, roster.Item{JID: a.jid("jid"), Name: a.one("name"), Groups: a.all("group")})
	},
	"remove": func(ctx context.Context, p *player, a arguments) ([]string, error) {
		return nil, roster.Delete(ctx, p, a.jid("jid"))
	},

	"block":     block,
	"unblock":   unblock,
	"blocklist": blocklist,

	"lists":   lists,
	"list":    list,
	"setlist": setList,
	"active":  active,
	"default": setDefault,

	"setcard": setCard,
	"card":    card,

	"last":       lastActivity,
	"version":    programVersion,
	"time":       entityTime,
	"setprivate": setPrivate,
	"private":    getPrivate,
	"info":       info,

	"carbons": switchCarbons,
	"csi": func(ctx context.Context, p *player, a arguments) ([]string, error) {
		return nil, p.csi.Set(ctx, a.one("state") == "active")
	},
	"archive": getArchive,
	"pages":   getPages,
	"edges":   getEdges,
	"prefs":   changePreferences,

	"password": func(ctx context.Context, p *player, a arguments) ([]string, error) {
		return nil, register.ChangePassword(ctx, p, a.one("new"))
	},
	"unregister": func(ctx context.Context, p *player, _ arguments) ([]string, error) {
		p.goes()
		err := register.Remove(ctx, p, jid.JID{})
		select {
		case <-p.ended:
		case <-ctx.Done():
		}
		return nil, err
	},
}

func send(ctx context.Context, p *player, a arguments) ([]string, error) {
	times, _ := strconv.Atoi(a.one("times"))
	kind := stanza.Type(a.one("type"))
	if kind == "" {
		kind = stanza.TypeChat
	}
	first, _ := strconv.Atoi(a.one("first"))
	for i := range max(times, 1) {
		body := strings.ReplaceAll(a.one("body"), "#", strconv.Itoa(max(first, 1)+i))
		m := &stanza.Message{To: a.jid("to"), Type: kind, ID: rand.Text(), Lang: a.one("lang"), Body: body}
		for _, extra := range a.all("extra") {
			m.Payloads = append(m.Payloads, extras[extra])
		}
		if err := xmpp.Send(ctx, p, m); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func sendPresence(ctx context.Context, p *player, a arguments) ([]string, error) {
	to, status := a.jid("to"), a.one("status")
	n, _ := strconv.Atoi(a.one("priority"))
	pr := stanza.Presence{
		Type: stanza.Type(a.one("type")), Show: stanza.Show(a.one("show")), Status: status, Priority: int8(n),
	}
	switch photo := a.one("avatar"); {
	case photo != "":
		card := vcard.Card{Photo: vcard.Media{Data: []byte(photo)}}
		pr.Payloads = []any{card.Update()}
		return nil, xmpp.Send(ctx, p, &pr)
	case pr.Type == stanza.TypeSubscribe:
		return nil, presence.Subscribe(ctx, p, to, status)
	case pr.Type == stanza.TypeSubscribed:
		return nil, presence.Approve(ctx, p, to)
	case pr.Type == stanza.TypeUnsubscribe:
		return nil, presence.Unsubscribe(ctx, p, to)
	case pr.Type == stanza.TypeUnsubscribed:
		return nil, presence.Cancel(ctx, p, to)
	case !to.IsZero():
		return nil, presence.Directed(ctx, p, to, pr)
	case pr.Type == stanza.TypeUnavailable:
		return nil, presence.Unavailable(ctx, p, status)
	}
	return nil, presence.Available(ctx, p, pr.Show, status, pr.Priority)
}

// join enters a room (XEP-0045 section 7.2).
func join(ctx context.Context, p *player, a arguments) ([]string, error) {
	type muc struct {
		XMLName xml.Name `xml:"http://jabber.org/protocol/muc x"`
	}
	return nil, presence.Directed(ctx, p, a.jid("to"), stanza.Presence{Payloads: []any{muc{}}})
}

// who tells what presence the client knows of a contact.
func who(_ context.Context, p *player, a arguments) (lines []string, err error) {
	for _, pr := range p.tracker.Of(a.jid("jid")) {
		lines = append(lines, line("there", "resource", pr.From.Resource(), "show", string(pr.Show), "status", pr.Status,
			"priority", priority(pr.Priority)))
	}
	slices.Sort(lines)
	return lines, nil
}

// getRoster asks for the roster, and compares the copy that was kept.
func getRoster(ctx context.Context, p *player, _ arguments) ([]string, error) {
	items, err := roster.Get(ctx, p)
	lines, copied := rosterLines(items), rosterLines(p.roster.Items())
	if err == nil && !slices.Equal(lines, copied) {
		lines = append(lines, fmt.Sprintf("the copy is %q", copied))
	}
	return lines, err
}

func rosterLines(items []roster.Item) (lines []string) {
	for _, it := range items {
		lines = append(lines, line("item", rosterPairs(it)...))
	}
	slices.Sort(lines)
	return lines
}

func block(ctx context.Context, p *player, a arguments) ([]string, error) {
	if len(a.all("jid")) == 0 { // which the helper does not ask for
		_, err := xmpp.Call[stanza.Element](ctx, p, stanza.TypeSet, jid.JID{}, blocking.BlockCommand{})
		return nil, err
	}
	return nil, blocking.Block(ctx, p, a.jids("jid")...)
}

func unblock(ctx context.Context, p *player, a arguments) ([]string, error) {
	if len(a.all("jid")) == 0 {
		return nil, blocking.UnblockAll(ctx, p)
	}
	return nil, blocking.Unblock(ctx, p, a.jids("jid")...)
}

func blocklist(ctx context.Context, p *player, _ arguments) (lines []string, err error) {
	jids, err := blocking.Get(ctx, p)
	for _, j := range sorted(jids) {
		lines = append(lines, line("item", "jid", j))
	}
	return lines, err
}

func lists(ctx context.Context, p *player, _ arguments) ([]string, error) {
	o, err := privacy.Names(ctx, p)
	slices.Sort(o.Names)
	return []string{line("lists", "active", o.Active, "default", o.Default, "list", o.Names)}, err
}

var kinds = map[string]privacy.Kinds{
	"message": privacy.Message, "iq": privacy.IQ, "presence-in": privacy.PresenceIn, "presence-out": privacy.PresenceOut,
}

func list(ctx context.Context, p *player, a arguments) (lines []string, err error) {
	l, err := privacy.Get(ctx, p, a.one("name"))
	for _, it := range l.Items {
		action, kind, value := "allow", "", ""
		if it.Deny {
			action = "deny"
		}
		switch it.Type {
		case privacy.ByJID:
			kind, value = "jid", it.JID.String()
		case privacy.ByGroup:
			kind, value = "group", it.Group
		case privacy.BySubscription:
			kind, value = "subscription", it.Subscription.String()
		}
		var names []string
		for _, name := range slices.Sorted(maps.Keys(kinds)) {
			if it.Kinds&kinds[name] != 0 {
				names = append(names, name)
			}
		}
		lines = append(lines, line("item", "order", it.Order, "action", action, "type", kind, "value", value, "kind", names))
	}
	return lines, err
}

func setList(ctx context.Context, p *player, a arguments) ([]string, error) {
	l := privacy.List{Name: a.one("name")}
	for _, text := range a.all("item") {
		words := strings.Fields(text)
		it := privacy.Item{Deny: words[0] == "deny"}
		if words = words[1:]; len(words) > 1 {
			switch words[0] {
			case "jid":
				it.Type, it.JID, words = privacy.ByJID, jid.MustParse(words[1]), words[2:]
			case "subscription":
				subscription, ok := roster.ParseSubscription(words[1])
				if !ok {
					return nil, fmt.Errorf("%q is no subscription", words[1])
				}
				it.Type, it.Subscription, words = privacy.BySubscription, subscription, words[2:]
			}
		}
		for _, word := range words {
			it.Kinds |= kinds[word]
		}
		l.Items = append(l.Items, it)
	}
	if len(l.Items) == 0 {
		return nil, privacy.Remove(ctx, p, l.Name)
	}
	return nil, privacy.Set(ctx, p, l)
}

func active(ctx context.Context, p *player, a arguments) ([]string, error) {
	if a.one("name") == "" {
		return nil, privacy.Decline(ctx, p)
	}
	return nil, privacy.Activate(ctx, p, a.one("name"))
}

func setDefault(ctx context.Context, p *player, a arguments) ([]string, error) {
	if a.one("name") == "" {
		return nil, privacy.DeclineDefault(ctx, p)
	}
	return nil, privacy.SetDefault(ctx, p, a.one("name"))
}

func setCard(ctx context.Context, p *player, a arguments) ([]string, error) {
	name := vcard.Name{Family: a.one("family"), Given: a.one("given")}
	c := &vcard.Card{FormattedName: a.one("fn"), Name: name, Nickname: a.one("nick")}
	if photo := a.one("photo"); photo != "" {
		c.Photo = vcard.Media{Type: "image/png", Data: []byte(photo)}
	}
	return nil, vcard.Set(ctx, p, c)
}

func card(ctx context.Context, p *player, a arguments) ([]string, error) {
	c, err := vcard.Get(ctx, p, a.jid("jid"))
	answer, refused := errors.AsType[*stanza.Error](err)
	own := a.one("jid") == ""
	switch {
	case refused && !(own && answer.Condition == stanza.ItemNotFound):
		return nil, err
	case errors.Is(err, vcard.ErrNoCard):
		return []string{"no card"}, nil
	}
	return []string{line("card", "fn", c.FormattedName, "family", c.Name.Family, "given", c.Name.Given, "nick", c.Nickname,
		"photo", string(c.Photo.Data))}, err
}

func lastActivity(ctx context.Context, p *player, a arguments) ([]string, error) {
	l, err := last.Get(ctx, p, a.jid("to"))
	seconds := "few"
	if l.Ago < 0 || l.Ago > 10*time.Minute {
		seconds = l.Ago.String()
	}
	return []string{line("last", "seconds", seconds, "status", l.Status)}, err
}

func programVersion(ctx context.Context, p *player, a arguments) ([]string, error) {
	v, err := version.Get(ctx, p, a.jid("to"))
	return []string{line("version", "name", v.Name != "", "version", v.Version != "")}, err
}

func entityTime(ctx context.Context, p *player, a arguments) ([]string, error) {
	then, err := entitytime.Get(ctx, p, a.jid("to"))
	return []string{line("time", "now", time.Since(then).Abs() < slack, "zone", !then.IsZero())}, err
}

// note is a private element of one text, in a namespace of its own.
type note struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
}

func setPrivate(ctx context.Context, p *player, a arguments) ([]string, error) {
	return nil, private.Set(ctx, p, note{xml.Name{Space: "urn:example:" + a.one("name"), Local: "notes"}, a.one("text")})
}

func getPrivate(ctx context.Context, p *player, a arguments) ([]string, error) {
	name := xml.Name{Space: "urn:example:" + a.one("name"), Local: "notes"}
	if to := a.jid("to"); !to.IsZero() { // which the helper does not ask
		_, err := xmpp.Call[stanza.Element](ctx, p, stanza.TypeGet, to, stanza.Raw(
			"<query xmlns='"+private.NS+"'><notes xmlns='"+name.Space+"'/></query>"))
		return nil, err
	}
	e, err := private.GetElement(ctx, p, name)
	return []string{line("private", "text", e.Text())}, err
}

func info(ctx context.Context, p *player, a arguments) ([]string, error) {
	i, err := disco.GetInfo(ctx, p, a.jid("to"), "")
	identities := slices.DeleteFunc(a.all("identity"), func(name string) bool {
		category, kind, _ := strings.Cut(name, "/")
		return !i.Is(category, kind)
	})
	features := slices.DeleteFunc(a.all("feature"), func(name string) bool { return !i.Has(name) })
	return []string{line("info", "identity", identities, "feature", features)}, err
}
