package privacy

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

func pushes(name string) []string {
	p := "<query xmlns='jabber:iq:privacy'><list name='" + name + "'/></query>"
	return []string{"push to orchard: " + p, "push to home: " + p}
}

func ok(more ...string) []string { return append([]string{"ok"}, more...) }

// TestGet has RFC 3921, section 10.3.
func TestGet(t *testing.T) {
	w := withLists(t)
	w.must(orchard, "<default name='public'/>")
	w.must(orchard, "<active name='private'/>")
	tests := []struct {
		name string
		from jid.JID
		in   string
		want string
	}{
		{"R3921-10.3-1 the names",
			orchard, "", query("<active name='private'/><default name='public'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.3-1 in another session",
			home, "", query("<default name='public'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.3-2 public", orchard, "<list name='public'/>", query(listPublic)},
		{"R3921-10.3-2 private", home, "<list name='private'/>", query(listPrivate)},
		{"R3921-10.3-2 special", orchard, "<list name='special'/>", query(listSpecial)},
		{"R3921-10.3-2 unknown", orchard, "<list name='The Empty Set'/>", "item-not-found"},
		{"R3921-10.3-2 more than one", orchard, "<list name='public'/><list name='private'/>", "bad-request"},
		{"not active", orchard, "<active name='public'/>", "bad-request"},
		{"not default", orchard, "<default/>", "bad-request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			w.expect(w.get(tt.from, tt.in), tt.want)
		})
	}
	t.Run("R3921-10.3-1 there is nothing", func(t *testing.T) {
		w := newWorld(t)
		w.expect(w.get(orchard, ""), query(""))
	})
}

// TestSet has what a set does at once: sets in their order, each with what
// happens.
func TestSet(t *testing.T) {
	type step struct {
		from jid.JID
		in   string
		want []string
	}
	edited := "<list name='public'><item type='jid' value='tybalt@example.com' action='deny' order='3'/>" +
		"<item type='jid' value='paris@example.org' action='deny' order='5'/><item action='allow' order='68'/></list>"
	fail := func(c string) []string { return []string{c} }
	tests := []struct {
		name  string
		steps []step
		get   string // then a get of this list
		list  string // has this answer
	}{
		{"R3921-10.1-3 an unknown group", []step{
			{orchard, "<list name='l'><item type='group' value='Strangers' action='deny' order='1'/></list>", fail("item-not-found")},
		}, "l", "item-not-found"},
		{"R3921-10.1-3 a group of the roster", []step{
			{orchard, "<list name='l'><item type='group' value='Enemies' action='deny' order='1'/><item type='group' value='Friends' action='deny' order='2'/></list>", ok(pushes("l")...)},
		},
			"l", query("<list name='l'><item type='group' value='Enemies' action='deny' order='1'/><item type='group' value='Friends' action='deny' order='2'/></list>")},
		{"R3921-10.1-5 no action", []step{
			{orchard, "<list name='public'><item order='1'/></list>", fail("bad-request")},
		}, "public", query(listPublic)},
		{"R3921-10.1-6 a duplicate order", []step{
			{orchard, "<list name='public'><item action='deny' order='1'/><item action='allow' order='1'/></list>", fail("bad-request")},
		}, "public", query(listPublic)},
		{"R3921-10.1-8 nothing", []step{{orchard, "", fail("bad-request")}}, "public", query(listPublic)},
		{"R3921-10.1-8 active and default", []step{
			{orchard, "<active name='public'/><default name='public'/>", fail("bad-request")},
		}, "public", query(listPublic)},
		{"R3921-10.1-8 active and a list", []step{
			{orchard, "<active name='public'/>" + edited, fail("bad-request")},
		}, "public", query(listPublic)},
		{"R3921-10.1-8 two lists", []step{
			{orchard, edited + listPrivate, fail("bad-request")},
		}, "public", query(listPublic)},
		{"R3921-10.1-9 an update has items, a removal none", []step{
			{orchard, edited, ok(pushes("public")...)},
			{orchard, "<list name='public'/>", ok(pushes("public")...)},
		}, "public", "item-not-found"},
		{"R3921-10.1-10 an update is the complete list", []step{
			{orchard, edited, ok(pushes("public")...)},
			{orchard, "<list name='public'><item action='allow' order='1'/></list>", ok(pushes("public")...)},
		},
			"public", query("<list name='public'><item action='allow' order='1'/></list>")},
		{"R3921-10.2-10 an edit is pushed by name to all connected resources", []step{
			{home, edited, ok(pushes("public")...)},
		}, "public", query(edited)},
		{"R3921-10.2-11 a list in force elsewhere", []step{
			{home, "<active name='special'/>", ok()},
			{orchard, "<list name='special'/>", fail("conflict")},
		}, "special", query(listSpecial)},
		{"R3921-10.2-11 a default list in force elsewhere", []step{
			{home, "<default name='special'/>", ok()},
			{orchard, "<list name='special'/>", fail("conflict")},
			{orchard, "<default name='public'/>", fail("conflict")},
		}, "special", query(listSpecial)},
		{"R3921-10.4-1 an unknown list", []step{
			{orchard, "<active name='The Empty Set'/>", fail("item-not-found")},
		}, "", query("<list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.4-1 active by name", []step{
			{orchard, "<active name='special'/>", ok()},
		}, "", query("<active name='special'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.4-3 declined", []step{
			{orchard, "<active name='special'/>", ok()},
			{orchard, "<active/>", ok()},
		}, "", query("<list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.5-1 default by name", []step{
			{orchard, "<default name='special'/>", ok()},
		}, "", query("<default name='special'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.5-2 an unknown list", []step{
			{orchard, "<default name='The Empty Set'/>", fail("item-not-found")},
		}, "", query("<list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.5-2 in use by another resource", []step{
			{orchard, "<default name='public'/>", ok()},
			{orchard, "<default name='special'/>", fail("conflict")},
			{home, "<active name='special'/>", ok()},
			{orchard, "<default name='special'/>", ok()},
		},
			"", query("<default name='special'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.5-2 the same again", []step{
			{orchard, "<default name='public'/>", ok()},
			{orchard, "<default name='public'/>", ok()},
		}, "", query("<default name='public'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.5-2 active elsewhere by its name", []step{
			{orchard, "<default name='public'/>", ok()},
			{home, "<active name='public'/>", ok()},
			{orchard, "<default name='special'/>", fail("conflict")},
		}, "", query("<default name='public'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.5-3 declined", []step{
			{orchard, "<default name='public'/>", ok()},
			{home, "<active name='special'/>", ok()},
			{orchard, "<default/>", ok()},
		}, "", query("<list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.5-3 in use by another resource", []step{
			{orchard, "<default name='public'/>", ok()},
			{orchard, "<default/>", fail("conflict")},
		}, "", query("<default name='public'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.5-3 there is none", []step{
			{orchard, "<default/>", ok()},
		}, "", query("<list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.6-1 a list is replaced: result, then push", []step{
			{orchard, edited, ok(pushes("public")...)},
		}, "public", query(edited)},
		{"R3921-10.6-1 a new list", []step{
			{orchard, "<list name='new'><item action='deny' order='1'/></list>", ok(pushes("new")...)},
		}, "new", query("<list name='new'><item action='deny' order='1'/></list>")},
		{"R3921-10.6-1 a list in force elsewhere may be edited", []step{
			{home, "<default name='public'/>", ok()},
			{orchard, edited, ok(pushes("public")...)},
		}, "public", query(edited)},
		{"R3921-10.8-1 removed", []step{
			{orchard, "<list name='private'/>", ok(pushes("private")...)},
		}, "private", "item-not-found"},
		{"R3921-10.8-1 unknown", []step{
			{orchard, "<list name='The Empty Set'/>", fail("item-not-found")},
		}, "", query("<list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.8-1 several", []step{
			{orchard, "<list name='public'/><list name='private'/>", fail("bad-request")},
		}, "", query("<list name='private'/><list name='public'/><list name='special'/>")},
		{"R3921-10.8-1 in force elsewhere", []step{
			{home, "<active name='private'/>", ok()},
			{orchard, "<list name='private'/>", fail("conflict")},
		}, "private", query(listPrivate)},
		{"R3921-10.8-1 in force here only", []step{
			{orchard, "<active name='private'/>", ok()},
			{orchard, "<list name='private'/>", ok(pushes("private")...)},
		}, "", query("<list name='public'/><list name='special'/>")},
		{"R3921-10.8-1 the default list, where another is active elsewhere", []step{
			{orchard, "<default name='private'/>", ok()},
			{home, "<active name='public'/>", ok()},
			{orchard, "<list name='private'/>", ok(pushes("private")...)},
		},
			"", query("<list name='public'/><list name='special'/>")},

		{"IM-7.2-1 the active list", []step{
			{orchard, "<active name='special'/>", ok()},
			{orchard, "<active name='x'/>", fail("item-not-found")},
		}, "", query("<active name='special'/><list name='private'/><list name='public'/><list name='special'/>")},
		{"IM-7.3-1 several lists, in the old form", []step{
			{orchard, "<list name='public'><item type='deny'/></list><list name='more'><item jid='example.org' type='deny'/><item type='allow'/></list>", ok(append(pushes("public"), pushes("more")...)...)},
		},
			"more", query("<list name='more'><item type='jid' value='example.org' action='deny' order='1'/><item action='allow' order='2'/></list>")},
		{"IM-7.3-1 all or none", []step{
			{orchard, "<list name='public'><item type='deny'/></list><list name='unknown'/>", fail("item-not-found")},
		}, "public", query(listPublic)},
		{"IM-7.3-1 not with another element", []step{
			{orchard, "<active name='public'/><list name='public'><item type='deny'/></list><list name='private'/>", fail("bad-request")},
		}, "public", query(listPublic)},
		{"IM-7.3-2 a new list", []step{
			{orchard, "<list name='new'><item type='deny'/></list>", ok(pushes("new")...)},
		}, "new", query("<list name='new'><item action='deny' order='1'/></list>")},
		{"IM-7.4-1 several are removed by who speaks the old form", []step{
			{orchard, "<list name='new'><item type='deny'/></list>", ok(pushes("new")...)},
			{orchard, "<list name='new'/><list name='private'/>", ok(append(pushes("new"), pushes("private")...)...)},
		},
			"private", "item-not-found"},
		{"IM-7.4-1 one is removed", []step{
			{orchard, "<list name='private'/>", ok(pushes("private")...)},
		}, "private", "item-not-found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := withLists(t)
			for _, s := range tt.steps {
				before := w.stored()
				got := w.set(s.from, s.in)
				w.expect(got, s.want...)
				if got[0] != "ok" && w.stored() != before {
					t.Error("something has been stored")
				}
			}
			get := ""
			if tt.get != "" {
				get = "<list name='" + tt.get + "'/>"
			}
			w.expect(w.get(orchard, get), tt.list)
			if now := w.stored(); now != "" {
				if err := new(Lists).UnmarshalText([]byte(now)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestOldForm has sessions that speak the form of draft-ietf-xmpp-im-02.
func TestOldForm(t *testing.T) {
	speaksOld := "<list name='public'><item jid='tybalt@example.com' type='deny'/><item type='allow'/></list>"
	overview := "<list name='private'><item subscription='both' type='allow'/><item type='deny'/></list>" +
		"<list name='public'><item jid='tybalt@example.com' type='deny'/><item type='allow'/></list>" +
		"<list name='special'><item jid='juliet@example.com' type='allow'/><item jid='benvolio@example.org' type='allow'/>" +
		"<item jid='mercutio@example.org' type='allow'/><item type='deny'/></list>"
	names := "<list name='private'/><list name='public'/><list name='special'/>"
	t.Run("IM-7.1-1 names only, by default", func(t *testing.T) {
		w := withLists(t)
		w.expect(w.get(orchard, ""), query(names))
	})
	t.Run("IM-7.1-1 lists with items, for who has used the form", func(t *testing.T) {
		w := withLists(t)
		w.must(orchard, speaksOld)
		w.expect(w.get(orchard, ""), query(overview))
		w.expect(w.get(home, ""), query(names))
		w.expect(w.get(orchard, "<list name='public'/>"), query(listPublic))
		w.eng.SessionDown(orchard)
		w.expect(w.get(orchard, ""), query(names))
	})
	t.Run("IM-7.1-1 a session that is known to speak it", func(t *testing.T) {
		w := withLists(t, func(c *Config) { c.Old = func(j jid.JID) bool { return j == home } })
		w.expect(w.get(home, ""), query(overview))
		w.expect(w.get(orchard, ""), query(names))
		w.expect(w.set(home, "<list name='private'/><list name='public'/>"), ok(append(pushes("private"), pushes("public")...)...)...)
	})
	t.Run("IM-7.1-1 what the form cannot express is left out", func(t *testing.T) {
		w := newWorld(t)
		w.must(home, "<list name='g'><item type='group' value='Friends' action='deny' order='1'/></list>")
		w.must(orchard, "<list name='l'><item type='deny'><presence/></item></list>")
		w.expect(w.get(orchard, ""), query("<list name='l'><item type='deny'><presence/></item></list>"))
	})
	t.Run("IM-7.1-2 the list in force", func(t *testing.T) {
		w := withLists(t)
		w.must(orchard, speaksOld)
		w.must(orchard, "<default name='special'/>")
		w.expect(w.get(orchard, ""), query("<active name='special'/>"+overview))
		w.must(orchard, "<active name='private'/>")
		w.expect(w.get(orchard, ""), query("<active name='private'/>"+overview))
		w.must(orchard, "<active/>")
		w.expect(w.get(orchard, ""), query("<active name='special'/>"+overview))
	})
	t.Run("IM-7.1-2 active is the default, by option", func(t *testing.T) {
		w := withLists(t, func(c *Config) { c.OldActiveIsDefault = true })
		w.must(orchard, "<active name='private'/>")
		w.expect(w.get(home, ""), query(names))
		w.must(orchard, speaksOld)
		w.must(orchard, "<active name='special'/>")
		w.expect(w.get(home, ""), query("<default name='special'/>"+names))
		w.expect(w.set(orchard, "<active name='private'/>"), "conflict")
		if w.allow(orchard, tybalt, Message) {
			t.Error("the active list has been changed all the same")
		}
		w.must(home, "<active name='public'/>")
		w.must(orchard, "<active/>")
		w.expect(w.get(home, ""), query("<active name='public'/>"+names))
	})
	t.Run("IM-7.1-3 never sent unless asked in that form", func(t *testing.T) {
		w := withLists(t)
		w.must(orchard, speaksOld)
		w.expect(w.get(home, "<list name='public'/>"), query(listPublic))
	})
	t.Run("IM-7.1-4 and IM-7.1-5 and IM-D.3-1 and IM-D.3-2 decide", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, "<list name='l'><item subscription='both' type='allow'/><item jid='tybalt@example.com' type='deny'><presence/></item>"+
			"<item jid='example.com' type='allow'/><item type='deny'/></list>")
		w.must(orchard, "<active name='l'/>")
		if !w.allow(orchard, juliet, PresenceIn) || w.allow(orchard, tybalt, PresenceOut) || !w.allow(orchard, tybalt, Message) ||
			w.allow(orchard, jid.MustParse("x@y"), 0) {
			t.Error("another decision")
		}
	})
}

// TestForce shows which list is in force, and when.
func TestForce(t *testing.T) {
	denyAll := "<list name='deny'><item action='deny' order='1'/></list>"
	denyTybalt := "<list name='tybalt'><item type='jid' value='tybalt@example.com' action='deny' order='1'/></list>"
	t.Run("R3921-10.2-1 the active list is for its session only, and instead of the default", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyAll)
		w.must(orchard, denyTybalt)
		w.must(orchard, "<default name='tybalt'/>")
		w.must(orchard, "<active name='deny'/>")
		if w.allow(orchard, juliet, Message) || !w.allow(home, juliet, Message) {
			t.Error("the active list is in force for another session, or not for its own")
		}
		w.must(home, "<list name='allow'><item action='allow' order='1'/></list>")
		w.must(home, "<active name='allow'/>")
		if !w.allow(home, tybalt, Message) {
			t.Error("the default list is in force beside the active one")
		}
	})
	t.Run("R3921-10.2-1 for the time of the session only", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyAll)
		w.must(orchard, "<active name='deny'/>")
		w.eng.SessionDown(home)
		if w.allow(orchard, juliet, Message) {
			t.Error("the end of another session ends it")
		}
		w.eng.SessionDown(orchard)
		w.eng.SessionDown(orchard)
		w.eng.SessionDown(jid.MustParse("nobody@example.net/x"))
		if !w.allow(orchard, juliet, Message) {
			t.Error("a new session has the active list of an old one")
		}
	})
	t.Run("R3921-10.2-1 a list that is removed is not active under its name later", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyAll)
		w.must(orchard, "<active name='deny'/>")
		w.must(orchard, "<list name='deny'/>")
		w.must(orchard, denyAll)
		if !w.allow(orchard, juliet, Message) {
			t.Error("it is active")
		}
	})
	t.Run("R3921-10.2-2 the default list: no active list, or no session", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyTybalt)
		w.must(orchard, "<default name='tybalt'/>")
		for _, session := range []jid.JID{orchard, home, romeo, {}} {
			if w.allow(session, tybalt, Message) || !w.allow(session, juliet, Message) {
				t.Errorf("session %q", session)
			}
		}
	})
	t.Run("R3921-10.2-3 neither", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyAll)
		for _, k := range kindsByName {
			if !w.allow(orchard, tybalt, k) || !w.allow(jid.JID{}, tybalt, k) {
				t.Errorf("kind %d is denied", k)
			}
		}
	})
	t.Run("R3921-10.2-4 subscriptions too", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyTybalt)
		w.must(orchard, "<default name='tybalt'/>")
		st, err := stanza.Parse("<presence type='subscribe' from='tybalt@example.com' to='romeo@example.net'/>")
		if err != nil {
			t.Fatal(err)
		}
		if w.allow(jid.JID{}, st.From, KindIn(st)) {
			t.Error("let in")
		}
	})
	t.Run("R3921-10.2-8 an edit is in force at once", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyTybalt)
		w.must(orchard, "<active name='tybalt'/>")
		w.must(home, "<default name='tybalt'/>")
		if !w.allow(orchard, juliet, IQ) || !w.allow(home, juliet, IQ) {
			t.Error("denied before")
		}
		w.must(home, "<list name='tybalt'><item type='jid' value='juliet@example.com' action='deny' order='1'/></list>")
		if w.allow(orchard, juliet, IQ) || w.allow(home, juliet, IQ) || !w.allow(orchard, tybalt, IQ) || !w.allow(jid.JID{}, tybalt, IQ) {
			t.Error("the old list decides")
		}
	})
	t.Run("R3921-10.2-9 a change of the roster is in force at once", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, "<list name='l'><item type='group' value='Friends' action='allow' order='1'/><item type='subscription' value='to' action='allow' order='2'/>"+
			"<item action='deny' order='3'/></list>")
		w.must(orchard, "<default name='l'/>")
		if !w.allow(home, juliet, Message) || !w.allow(home, tybalt, Message) {
			t.Error("denied before")
		}
		w.contacts[juliet.Bare()] = Contact{Subscription: roster.Both}
		w.contacts[tybalt.Bare()] = Contact{Subscription: roster.Both}
		if w.allow(home, juliet, Message) || w.allow(home, tybalt, Message) {
			t.Error("the old roster decides")
		}
	})
	t.Run("R3921-10.4-1 in force before the result is sent", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyAll)
		inForce := false
		s := sendFunc(func(st *stanza.Stanza) { inForce = st.Type == stanza.TypeResult && !w.allow(orchard, tybalt, Message) })
		st, err := stanza.Parse("<iq type='set' id='1' from='romeo@example.net/orchard' to='romeo@example.net'>" + query("<active name='deny'/>") + "</iq>")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.mux.HandleXMPP(t.Context(), s, st); err != nil || !inForce {
			t.Errorf("in force: %v, %v", inForce, err)
		}
	})
	t.Run("R3921-10.10-1 no probe to who is blocked", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, "<list name='l'><item type='jid' value='tybalt@example.com' action='deny' order='7'><presence-in/></item></list>")
		w.must(orchard, "<active name='l'/>")
		// What goes out are probes, of kind 0; their answers decide.
		if w.allow(orchard, tybalt, PresenceIn) || !w.allow(orchard, tybalt, PresenceOut) || !w.allow(orchard, juliet, PresenceIn) {
			t.Error("another decision")
		}
	})
	t.Run("R3921-10.11-1 neither broadcast nor answer to a probe", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, "<list name='l'><item type='group' value='Enemies' action='deny' order='7'><presence-out/></item></list>")
		w.must(orchard, "<default name='l'/>")
		if w.allow(orchard, tybalt, PresenceOut) || w.allow(jid.JID{}, tybalt, PresenceOut) || !w.allow(orchard, juliet, PresenceOut) {
			t.Error("another decision")
		}
	})
	t.Run("R3921-10.13-1 in both directions", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, "<list name='l'><item type='jid' value='tybalt@example.com' action='deny' order='23'/></list>")
		w.must(orchard, "<default name='l'/>")
		for _, s := range []string{"<message/>", "<iq type='get'/>", "<presence/>", "<presence type='subscribe'/>"} {
			st, err := stanza.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			if w.allow(orchard, tybalt, KindIn(st)) || w.allow(orchard, tybalt, KindOut(st)) {
				t.Errorf("%s passes", s)
			}
		}
	})
	t.Run("own resources and the own domain pass", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, denyAll)
		w.must(orchard, "<default name='deny'/>")
		for _, j := range []jid.JID{home, romeo, romeo.DomainJID()} {
			if !w.allow(orchard, j, IQ) {
				t.Errorf("%s is denied", j)
			}
		}
		for _, j := range jids("other@example.net", "example.net/x", "sub.example.net") {
			if w.allow(orchard, j, IQ) {
				t.Errorf("%s is allowed", j)
			}
		}
	})
}

type sendFunc func(*stanza.Stanza)

func (f sendFunc) LocalAddr() jid.JID                              { return romeo.DomainJID() }
func (f sendFunc) Send(_ context.Context, st *stanza.Stanza) error { f(st); return nil }
func (f sendFunc) Do(context.Context, *stanza.Stanza) (*stanza.Stanza, error) {
	return nil, xmpp.ErrNotConnected
}

func TestErrorFor(t *testing.T) {
	blocked := "<error type='cancel' code='406'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><blocked xmlns='urn:xmpp:blocking:errors'/></error>"
	unavailable := "<error type='cancel' code='503'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	notAllowed := "<error type='cancel' code='405'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	tests := []struct {
		name     string
		stanza   string
		outbound bool
		refusal  Refusal
		want     string
	}{
		{"R3921-10.14-1 message", "<message/>", false, Silent, ""},
		{"R3921-10.14-1 presence", "<presence/>", false, Silent, ""},
		{"R3921-10.14-1 subscription", "<presence type='subscribe'/>", false, Silent, ""},
		{"R3921-10.14-2 get", "<iq type='get' id='1'/>", false, Silent, unavailable},
		{"R3921-10.14-2 set", "<iq type='set' id='1'/>", false, Silent, unavailable},
		{"R3921-10.14-2 result", "<iq type='result' id='1'/>", false, Silent, ""},
		{"R3921-10.14-2 error", "<iq type='error' id='1'/>", false, Silent, ""},
		{"XEP-0016, section 2.14: message", "<message/>", false, Unavailable, unavailable},
		{"XEP-0016, section 2.14: presence", "<presence type='subscribe'/>", false, Unavailable, ""},
		{"XEP-0016, section 2.14: iq", "<iq type='get' id='1'/>", false, Unavailable, unavailable},
		{"message of type error", "<message type='error'/>", false, Unavailable, ""},
		{"IM-7.5-1 never 405 by default", "<message/>", false, Silent, ""},
		{"IM-7.5-1 405 by option: message", "<message/>", false, Revealed, notAllowed},
		{"IM-7.5-1 405 by option: iq", "<iq type='get' id='1'/>", false, Revealed, notAllowed},
		{"IM-7.5-1 405 by option: presence", "<presence/>", false, Revealed, ""},
		{"XEP-0191, section 3.3: outbound message", "<message/>", true, Silent, blocked},
		{"XEP-0191, section 3.3: outbound presence", "<presence/>", true, Revealed, blocked},
		{"XEP-0191, section 3.3: outbound get", "<iq type='get' id='1'/>", true, Unavailable, blocked},
		{"XEP-0191, section 3.3: outbound result", "<iq type='result' id='1'/>", true, Silent, ""},
		{"XEP-0191, section 3.3: outbound error", "<presence type='error'/>", true, Silent, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st, err := stanza.Parse(tt.stanza)
			if err != nil {
				t.Fatal(err)
			}
			e := NewEngine(Config{Refusal: tt.refusal}).ErrorFor(st, tt.outbound)
			got := ""
			if e != nil {
				got = string(st.ErrorReply(e).Child(stanza.NSClient, "error").Raw())
			}
			if want := tt.want; want != "" {
				w, err := stanza.Parse("<message type='error'>" + want + "</message>")
				if err != nil {
					t.Fatal(err)
				}
				g, err := stanza.Parse("<message type='error'>" + got + "</message>")
				if err != nil {
					t.Fatal(err)
				}
				if *stanza.AsError(w.Err()) != *stanza.AsError(g.Err()) {
					t.Errorf("got %s, want %s", got, want)
				}
			} else if e != nil {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestForbidden has requests of those who may not manage the lists.
func TestForbidden(t *testing.T) {
	payloads := map[string]stanza.Type{
		query(""):                                stanza.TypeGet,
		query("<active/>"):                       stanza.TypeSet,
		"<blocklist xmlns='urn:xmpp:blocking'/>": stanza.TypeGet,
		"<block xmlns='urn:xmpp:blocking'><item jid='a@b'/></block>": stanza.TypeSet,
		"<unblock xmlns='urn:xmpp:blocking'/>":                       stanza.TypeSet,
	}
	for payload, typ := range payloads {
		w := newWorld(t)
		for _, tt := range []struct {
			name, from, to string
			want           bool
		}{
			{"to the account", "romeo@example.net/orchard", "romeo@example.net", true},
			{"to the domain", "romeo@example.net/orchard", "example.net", true},
			{"to another account", "romeo@example.net/orchard", "juliet@example.net", false},
			{"to another domain", "romeo@example.net/orchard", "example.org", false},
			{"from another account", "juliet@example.net/chamber", "romeo@example.net", false},
			{"from another domain, to the domain", "romeo@example.org/orchard", "example.net", false},
			{"from a resource that is not connected", "romeo@example.net/pda", "romeo@example.net", false},
			{"from no resource", "romeo@example.net", "romeo@example.net", false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w.t = t
				got := w.iq(jid.MustParse(tt.from), tt.to, typ, payload)
				if got[0] == "forbidden" == tt.want {
					t.Errorf("%s: %s", payload, got)
				}
			})
		}
	}
	t.Run("no store", func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Store = nil })
		w.expect(w.get(orchard, ""), "service-unavailable")
		if !w.allow(orchard, tybalt, Message) || w.eng.Features(romeo.DomainJID()) != nil || w.eng.RemoveAccount(t.Context(), romeo) != nil {
			t.Error("there are lists")
		}
	})
	t.Run("no sessions", func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Sessions = nil })
		w.expect(w.get(orchard, ""), "forbidden")
	})
}

func TestLimits(t *testing.T) {
	item := "<item action='deny' order='1'/>"
	w := newWorld(t, func(c *Config) { c.Limits = Limits{Lists: 2, Items: 2, Text: 5}; c.Groups = nil })
	w.must(orchard, "<list name='one'>"+item+"</list>")
	w.must(orchard, "<list name='two'>"+item+"</list>")
	w.expect(w.set(orchard, "<list name='three'>"+item+"</list>"), "policy-violation")
	w.must(orchard, "<list name='two'>"+item+"<item action='allow' order='2'/></list>")
	w.expect(w.set(orchard, "<list name='two'>"+item+"<item action='allow' order='2'/><item action='allow' order='3'/></list>"), "policy-violation")
	w.must(orchard, "<list name='one'/>")
	w.expect(w.set(orchard, "<list name='sixsix'>"+item+"</list>"), "policy-violation")
	w.expect(w.set(orchard, "<list name='group'><item type='group' value='Group!' action='deny' order='1'/></list>"), "policy-violation")
	w.must(orchard, "<list name='group'><item type='group' value='Group' action='deny' order='1'/></list>")
	w.must(orchard, "<default name='two'/>")
	w.expect(w.iq(orchard, "", stanza.TypeSet, "<block xmlns='urn:xmpp:blocking'><item jid='a@b'/></block>"), "policy-violation")

	if got := (Limits{}).withDefaults(); got != (Limits{Lists: 50, Items: 1000, Text: 1023}) {
		t.Errorf("defaults: %+v", got)
	}
	if err := (Limits{-1, -1, -1}).withDefaults().check(&Lists{Lists: make([]List, 5000)}, &List{Name: string(make([]byte, 5000))}, 0); err != nil {
		t.Error(err)
	}
}

func TestFeatures(t *testing.T) {
	e := newWorld(t).eng
	if got := e.Features(romeo.DomainJID()); !slices.Equal(got, []string{"jabber:iq:privacy", "urn:xmpp:blocking"}) {
		t.Errorf("got %q", got)
	}
	if got := e.Features(romeo); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestRemoveAccount(t *testing.T) {
	w := withLists(t)
	w.must(orchard, "<default name='special'/>")
	if w.allow(home, tybalt, Message) {
		t.Error("allowed before")
	}
	broken := errors.New("broken")
	w.store.fail = broken
	if err := w.eng.RemoveAccount(t.Context(), romeo); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	w.store.fail = nil
	if err := w.eng.RemoveAccount(t.Context(), romeo); err != nil || w.stored() != "" {
		t.Errorf("got %v, %s", err, w.stored())
	}
	if !w.allow(home, tybalt, Message) {
		t.Error("denied by a list that is no more")
	}
}

// TestErrors has a store and a roster that fail.
func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	w := newWorld(t)
	w.store.fail = broken
	if ok, err := w.eng.Allow(t.Context(), romeo, orchard, tybalt, Message); ok || !errors.Is(err, broken) {
		t.Errorf("got %v, %v", ok, err)
	}
	for payload, typ := range map[string]stanza.Type{
		query(""):                                stanza.TypeGet,
		query("<active name='a'/>"):              stanza.TypeSet,
		query("<default name='a'/>"):             stanza.TypeSet,
		query("<list name='a'/>"):                stanza.TypeSet,
		"<blocklist xmlns='urn:xmpp:blocking'/>": stanza.TypeGet,
		"<block xmlns='urn:xmpp:blocking'><item jid='a@b'/></block>": stanza.TypeSet,
		"<unblock xmlns='urn:xmpp:blocking'/>":                       stanza.TypeSet,
	} {
		if got := w.iq(orchard, "", typ, payload); got[0] != "internal-server-error" {
			t.Errorf("%s: %s", payload, got)
		}
	}
	w.store.fail = nil
	w.must(orchard, "<list name='l'><item type='group' value='Enemies' action='deny' order='1'/></list>")
	w.must(orchard, "<default name='l'/>")
	w.fail = broken
	if ok, err := w.eng.Allow(t.Context(), romeo, orchard, tybalt, Message); ok || !errors.Is(err, broken) {
		t.Errorf("got %v, %v", ok, err)
	}
	if got := w.set(orchard, "<list name='l'><item type='group' value='Enemies' action='deny' order='1'/></list>"); got[0] != "internal-server-error" {
		t.Errorf("got %s", got)
	}

	// Without a roster everybody is unknown.
	w = newWorld(t, func(c *Config) { c.Contact = nil })
	w.must(orchard, "<list name='l'><item type='subscription' value='none' action='deny' order='1'/></list>")
	w.must(orchard, "<default name='l'/>")
	if w.allow(orchard, juliet, Message) {
		t.Error("somebody is known")
	}
}
