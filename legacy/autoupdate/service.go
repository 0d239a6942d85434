package autoupdate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultAgain is the default of [Service.Again].
const DefaultAgain = time.Hour

// maxTold bounds of how many users it is known what they were told. When there
// are more it is forgotten.
const maxTold = 10_000

// Service is the Extension of an update service, a component or a service in a
// server's process with a domain of its own, of which each program has an
// address. It tells who announces an older version that there is a newer one, and
// answers what there is. It asks for no subscription and keeps nothing about
// users but when they were told what.
type Service struct {
	// Versions returns the versions of a program, by its name, the local part of
	// its address. The error is stanza.ItemNotFound for one that is not known. It
	// must be set, and safe for concurrent use.
	Versions func(ctx context.Context, program string) (Versions, error)
	// Message, if not nil, returns the text of the message; the default is in
	// English.
	Message func(program, installed string, newer Version) (subject, body string)
	// Again is for how long a user, with whichever resource, is not told of the
	// same version again. Default 1 h, -1 = no time at all.
	Again time.Duration

	mu   sync.Mutex
	told map[notice]time.Time
}

// notice is what somebody was told.
type notice struct {
	user            jid.JID
	program, number string
}

// Attach adds the handlers. "set: Not used in this context" (Jabber Programmers
// Guide, chapter 9): it is a bad request.
func (s *Service) Attach(h xmpp.Host) error {
	switch {
	case s.Versions == nil:
		return errors.New("autoupdate: Service.Versions is not set")
	case h.IsServer():
		return errors.New("autoupdate: Service is for a component, or a service in a server's process")
	}
	h.Mux().Handle(xmpp.Pattern{Kind: stanza.KindPresence, Types: []stanza.Type{stanza.TypeAvailable}},
		xmpp.HandlerFunc(s.announced))
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[Versions]) (any, error) {
		if r.To.Local() == "" {
			return nil, stanza.ItemNotFound
		}
		return s.Versions(ctx, r.To.Local())
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(context.Context, xmpp.Request[Versions]) (any, error) {
		return nil, stanza.NewError(stanza.BadRequest, "versions cannot be set")
	})
	return nil
}

// Features returns [NS], for the addresses of programs.
func (s *Service) Features(at jid.JID) []string {
	if at.Local() == "" {
		return nil
	}
	return []string{NS}
}

// announced tells who has announced a version, the resource that has it, of a
// newer one.
func (s *Service) announced(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
	program, installed := st.To.Local(), st.To.Resource()
	if program == "" || installed == "" || st.From.IsZero() {
		return nil
	}
	all, err := s.Versions(ctx, program)
	switch {
	case errors.Is(err, stanza.ItemNotFound):
		return nil
	case err != nil:
		return err
	}
	newer := all.Newer(installed)
	if newer == nil || !s.isNews(notice{st.From.Bare().Clone(), program, newer.Number}) {
		return nil
	}
	message := s.Message
	if message == nil {
		message = defaultMessage
	}
	subject, body := message(program, installed, *newer)
	return xmpp.Send(ctx, snd, &stanza.Message{From: st.To.Bare(), To: st.From, Subject: subject, Body: body,
		Payloads: []any{Notice{st.To.Bare()}}})
}

func defaultMessage(program, installed string, newer Version) (subject, body string) {
	return "Upgrade available for " + program,
		fmt.Sprintf("Version %s of %s is available. Yours is %s.", newer.Number, program, installed)
}

// isNews reports whether somebody is to be told, and takes it that he is.
func (s *Service) isNews(n notice) bool {
	again := s.Again
	if again == 0 {
		again = DefaultAgain
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if at, ok := s.told[n]; ok && now.Sub(at) < again {
		return false
	}
	if len(s.told) >= maxTold {
		maps.DeleteFunc(s.told, func(_ notice, at time.Time) bool { return now.Sub(at) >= again })
	}
	if s.told == nil || len(s.told) >= maxTold {
		s.told = make(map[notice]time.Time)
	}
	n.program = strings.Clone(n.program) // not to keep the whole stanza
	s.told[n] = now
	return true
}
