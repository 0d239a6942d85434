package privacy

import (
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

func items(jids ...string) (s string) {
	for _, j := range jids {
		s += "<item jid='" + j + "'/>"
	}
	return s
}

func command(name, items string) string {
	if items == "" {
		return "<" + name + " xmlns='urn:xmpp:blocking'/>"
	}
	return "<" + name + " xmlns='urn:xmpp:blocking'>" + items + "</" + name + ">"
}

func (w *world) command(from jid.JID, name string, jids ...string) []string {
	w.t.Helper()
	return w.iq(from, "", stanza.TypeSet, command(name, items(jids...)))
}

func (w *world) blocklist(from jid.JID) []string {
	w.t.Helper()
	return w.iq(from, "", stanza.TypeGet, command("blocklist", ""))
}

// TestBlocking has XEP-0191 with the lists of RFC 3921 behind it.
func TestBlocking(t *testing.T) {
	const romeoJ, iago = "romeo@montague.net", "iago@shakespeare.lit"
	t.Run("section 3.2: the list", func(t *testing.T) {
		w := newWorld(t)
		w.expect(w.blocklist(orchard), command("blocklist", ""))
		w.command(orchard, "block", romeoJ, iago)
		w.expect(w.blocklist(home), command("blocklist", items(romeoJ, iago)))
	})
	t.Run("section 3.3: block, push to who has asked, announce", func(t *testing.T) {
		w := newWorld(t)
		w.blocklist(home)
		w.expect(w.command(orchard, "block", romeoJ), ok(append(pushes("blocklist"),
			"push to home: "+command("block", items(romeoJ)),
			"announce orchard to romeo@montague.net: false", "announce home to romeo@montague.net: false")...)...)
		j := jid.MustParse(romeoJ + "/garden")
		for name, k := range kindsByName {
			if w.allow(orchard, j, k) || w.allow(jid.JID{}, j, k) || !w.allow(orchard, tybalt, k) {
				t.Errorf("%s: not blocked, or another is", name)
			}
		}
		w.expect(w.command(orchard, "block", romeoJ), "ok", "push to home: "+command("block", items(romeoJ)))
		w.eng.SessionDown(home)
		w.expect(w.command(orchard, "block", romeoJ), "ok")
	})
	t.Run("section 3.3: without item", func(t *testing.T) {
		w := newWorld(t)
		w.expect(w.command(orchard, "block"), "bad-request")
		w.expect(w.command(orchard, "block", "@"), "jid-malformed")
		w.expect(w.iq(orchard, "", stanza.TypeSet, command("block", "<item/>")), "bad-request")
	})
	t.Run("section 3.4: unblock", func(t *testing.T) {
		w := newWorld(t)
		w.blocklist(orchard)
		w.command(orchard, "block", romeoJ, iago)
		w.expect(w.command(home, "unblock", iago), ok(append(pushes("blocklist"),
			"push to orchard: "+command("unblock", items(iago)),
			"announce orchard to iago@shakespeare.lit: true", "announce home to iago@shakespeare.lit: true")...)...)
		if !w.allow(orchard, jid.MustParse(iago), Message) || w.allow(orchard, jid.MustParse(romeoJ), Message) {
			t.Error("still blocked, or too much unblocked")
		}
	})
	t.Run("section 3.5: unblock all", func(t *testing.T) {
		w := newWorld(t)
		w.blocklist(orchard)
		w.command(orchard, "block", romeoJ, "shakespeare.lit")
		w.expect(w.command(orchard, "unblock"), ok(append(pushes("blocklist"),
			"push to orchard: "+command("unblock", ""),
			"announce orchard to romeo@montague.net: true", "announce home to romeo@montague.net: true",
			"announce orchard to shakespeare.lit: true", "announce home to shakespeare.lit: true")...)...)
		if w.stored() != "" {
			t.Errorf("stored: %s", w.stored())
		}
	})
	t.Run("section 6: addresses", func(t *testing.T) {
		w := newWorld(t)
		w.command(orchard, "block", "shakespeare.lit", "montague.net/x", "a@capulet.com/r", "b@capulet.com")
		for j, blocked := range map[string]bool{
			iago: true, "iago@shakespeare.lit/r": true, "shakespeare.lit": true, "shakespeare.lit/r": true,
			"montague.net/x": true, "montague.net": false, "romeo@montague.net/x": false,
			"a@capulet.com/r": true, "a@capulet.com/q": false, "a@capulet.com": false,
			"b@capulet.com": true, "b@capulet.com/q": true,
		} {
			if w.allow(orchard, jid.MustParse(j), Message) == blocked {
				t.Errorf("%s: blocked %v", j, !blocked)
			}
		}
	})
	t.Run("IM-7-1 one store: a block is an item of the default list, in front", func(t *testing.T) {
		w := withLists(t)
		w.must(orchard, "<default name='private'/>")
		w.command(orchard, "block", romeoJ)
		w.expect(w.get(orchard, "<list name='private'/>"), query("<list name='private'>"+
			"<item type='jid' value='romeo@montague.net' action='deny' order='1'/>"+
			"<item type='subscription' value='both' action='allow' order='10'/><item action='deny' order='15'/></list>"))
	})
	t.Run("section 5, 1: the default list is the block list", func(t *testing.T) {
		w := newWorld(t)
		w.command(orchard, "block", romeoJ)
		w.expect(w.get(orchard, ""), query("<default name='blocklist'/><list name='blocklist'/>"))
		w.expect(w.get(orchard, "<list name='blocklist'/>"),
			query("<list name='blocklist'><item type='jid' value='romeo@montague.net' action='deny' order='1'/></list>"))
	})
	t.Run("section 5, 2 and 3: an edit of the default list shows in the block list", func(t *testing.T) {
		w := newWorld(t)
		w.blocklist(home)
		w.command(orchard, "block", romeoJ)
		w.expect(w.set(orchard, "<list name='blocklist'><item type='jid' value='iago@shakespeare.lit' action='deny' order='1'/>"+
			"<item type='group' value='Enemies' action='deny' order='2'/><item type='jid' value='a@b' action='deny' order='3'><iq/></item></list>"),
			ok(append(pushes("blocklist"), "push to home: "+command("unblock", items(romeoJ)), "push to home: "+command("block", items(iago)))...)...)
		w.expect(w.blocklist(home), command("blocklist", items(iago)))
	})
	t.Run("section 5, 4: another default list", func(t *testing.T) {
		w := withLists(t)
		w.blocklist(orchard)
		w.expect(w.set(orchard, "<default name='public'/>"), "ok", "push to orchard: "+command("block", items("tybalt@example.com")))
		w.expect(w.blocklist(home), command("blocklist", items("tybalt@example.com")))
		w.must(home, "<active name='special'/>")
		w.expect(w.set(orchard, "<default/>"), "ok", "push to orchard: "+command("unblock", items("tybalt@example.com")),
			"push to home: "+command("unblock", items("tybalt@example.com")))
	})
	t.Run("section 5, 5: an active list", func(t *testing.T) {
		w := withLists(t)
		w.must(home, "<active name='special'/>")
		w.expect(w.command(orchard, "block", "juliet@example.com"), ok(append(pushes("blocklist"), "announce orchard to juliet@example.com: false")...)...)
		if !w.allow(home, juliet, Message) || w.allow(orchard, juliet, Message) {
			t.Error("the active list is not the one that decides")
		}
	})
	t.Run("an edit is for those, too, who have the default list active", func(t *testing.T) {
		w := newWorld(t)
		w.command(orchard, "block", romeoJ)
		w.must(home, "<active name='blocklist'/>")
		w.expect(w.command(orchard, "block", iago), ok(append(pushes("blocklist"), "announce orchard to iago@shakespeare.lit: false",
			"announce home to iago@shakespeare.lit: false")...)...)
		// The list goes, and is not in force any more under a name that
		// another one gets later.
		w.command(orchard, "unblock")
		w.expect(w.get(home, ""), query(""))
		w.must(orchard, "<list name='blocklist'><item action='deny' order='1'/></list>")
		if !w.allow(home, tybalt, Message) {
			t.Error("a list is active that was not activated")
		}
	})
	t.Run("no announcement to who could not see the user before", func(t *testing.T) {
		w := newWorld(t)
		w.must(orchard, "<list name='l'><item type='group' value='Enemies' action='deny' order='1'><presence-out/></item></list>")
		w.must(orchard, "<default name='l'/>")
		w.expect(w.command(orchard, "block", "tybalt@example.com"), ok(pushes("l")...)...)
		w.expect(w.command(orchard, "unblock", "tybalt@example.com"), ok(pushes("l")...)...)
		w.contacts[tybalt.Bare()] = Contact{Subscription: roster.Both}
		w.expect(w.command(orchard, "block", "tybalt@example.com"), ok(append(pushes("l"), "announce orchard to tybalt@example.com: false",
			"announce home to tybalt@example.com: false")...)...)
	})
	t.Run("blocking oneself blocks nobody", func(t *testing.T) {
		w := newWorld(t)
		w.expect(w.command(orchard, "block", "romeo@example.net"), ok(pushes("blocklist")...)...)
		if !w.allow(orchard, home, Message) {
			t.Error("a resource is blocked from another")
		}
	})
	t.Run("nobody is told where there are no functions for it", func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Push, c.Announce = nil, nil })
		w.expect(w.command(orchard, "block", romeoJ), "ok")
	})
}
