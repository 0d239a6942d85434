//go:build interop

package interop

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/chatstates"
	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// extras are what can be put into messages, by the name that the rows have for it.
var extras = map[string]stanza.Payload{
	"private": ptr(carbons.Private{}), "no-copy": ptr(hints.NoCopy), "no-store": ptr(hints.NoStore),
	"composing": ptr(chatstates.Composing),
}

func ptr[T any](v T) *T { return &v }

// extrasOf returns which of them a message has.
func extrasOf(m *stanza.Message) (names []string) {
	for name, extra := range extras {
		if slices.ContainsFunc(m.Payloads, func(p any) bool {
			e, ok := p.(stanza.Element)
			return ok && e.Name() == extra.XMLName()
		}) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// copyOrMessage tells of a message, which may be a copy of one.
func (p *player) copyOrMessage(st *stanza.Stanza) {
	c, ok, isForged := carbons.Of(p.LocalAddr(), st)
	switch {
	case isForged:
		p.see("forged")
	case ok:
		m := c.Stanza.Message()
		failed := ""
		if m.Error != nil { // what it answers need not be in it
			m.Body, failed = "", string(m.Error.Condition)
		}
		p.see("copy", "kind", c.Direction.String(), "from", m.From, "to", m.To,
			"type", strings.TrimPrefix(string(m.Type), "normal"), "body", m.Body, "condition", failed)
	case st.Child(archive.NS, "result").IsZero(): // otherwise it is asked for
		p.message(st.Message())
	}
}

func switchCarbons(ctx context.Context, p *player, a arguments) ([]string, error) {
	if a.one("state") == "on" {
		return nil, carbons.Enable(ctx, p)
	}
	return nil, carbons.Disable(ctx, p)
}

// getArchive asks for one page. An id and a time are named by the text of a message
// that was seen in an archive.
func getArchive(ctx context.Context, p *player, a arguments) ([]string, error) {
	q := archive.Query{Flip: a.one("flip") != ""}
	q.Filter = archive.Filter{
		With: a.jid("with"), Start: p.moment(a.one("start")), End: p.moment(a.one("end")),
		AfterID: p.archiveID(a.one("after-id")), BeforeID: p.archiveID(a.one("before-id")),
	}
	for _, id := range a.all("id") {
		q.Filter.IDs = append(q.Filter.IDs, p.archiveID(id))
	}
	q.Set = rsm.Request{After: p.archiveID(a.one("after")), Before: p.archiveID(a.one("before")), Last: a.one("last") != ""}
	q.Set.Max, _ = strconv.Atoi(a.one("max"))
	page, err := p.archive.Page(ctx, p, a.jid("to"), q)
	if err != nil {
		return nil, err
	}
	if q.Flip { // the page is in the order of the archive again
		slices.Reverse(page.Messages)
	}
	complete := "no"
	if page.Fin.Complete {
		complete = "yes"
	}
	return append(p.remember(page.Messages), line("fin", "complete", complete)), nil
}

func (p *player) archiveID(text string) string {
	if m, ok := p.archived[text]; ok {
		return m.ID
	}
	return text
}

func (p *player) moment(text string) time.Time {
	switch text {
	case "hour-ago":
		return time.Now().Add(-time.Hour)
	case "hour-ahead":
		return time.Now().Add(time.Hour)
	}
	return p.archived[text].At
}

func (p *player) remember(messages []archive.Message) (lines []string) {
	for _, am := range messages {
		m := am.Stanza.Message()
		p.archived[m.Body] = am
		late := "wrong"
		if time.Since(am.At).Abs() < slack {
			late = ""
		}
		lines = append(lines, line("archived", "from", m.From, "to", m.To, "type", strings.TrimPrefix(string(m.Type), "normal"),
			"body", m.Body, "delay", late))
	}
	return lines
}

// getPages goes through all pages; where one begins is not seen.
func getPages(ctx context.Context, p *player, a arguments) ([]string, error) {
	most, _ := strconv.Atoi(a.one("max"))
	q := archive.Query{Filter: archive.Filter{With: a.jid("with")}, Set: rsm.Request{Max: most, Last: a.one("reverse") != ""}}
	var messages []archive.Message
	for m, err := range p.archive.Messages(ctx, p, jid.JID{}, q) {
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	var lines []string
	for part := range slices.Chunk(messages, most) {
		if q.Set.Last {
			slices.Reverse(part)
		}
		lines = append(append(lines, "page"), p.remember(part)...)
	}
	return lines, nil
}

// getEdges asks where the archive begins and ends.
func getEdges(ctx context.Context, p *player, _ arguments) ([]string, error) {
	found, err := archive.GetMetadata(ctx, p, jid.JID{})
	if err != nil {
		return nil, err
	}
	if found.IsEmpty() {
		return []string{"edges none"}, nil
	}
	text := func(e archive.Edge) string {
		for text, m := range p.archived {
			if m.ID == e.ID {
				return text
			}
		}
		return ""
	}
	return []string{line("edges", "start", text(found.Start), "end", text(found.End))}, nil
}

func changePreferences(ctx context.Context, p *player, a arguments) ([]string, error) {
	if policy := a.one("default"); policy != "" {
		wanted := archive.Preferences{Default: archive.Policy(policy), Always: a.jids("always"), Never: a.jids("never")}
		if _, err := archive.SetPreferences(ctx, p, wanted); err != nil {
			return nil, err
		}
	}
	found, err := archive.GetPreferences(ctx, p)
	return []string{line("prefs", "default", string(found.Default), "always", sorted(found.Always), "never", sorted(found.Never))}, err
}
