package corpus

import "fmt"

func (g *generator) mixed() {
	switch n := g.below(1000); {
	case n < 700:
		if g.percent(8) {
			g.archive()
		} else {
			g.chat()
		}
	case n < 900:
		g.presence()
	case n < 980:
		g.ping()
	case n < 992:
		g.omemo()
	case n < 997:
		g.disco()
	case n < 999:
		g.roster()
	default:
		g.vcard()
	}
}

func (g *generator) chat() {
	g.stanzaStyle()
	switch n := g.below(100); {
	case n < 60:
		g.message(g.full(), g.bare(), "chat")
	case n < 72:
		g.message(g.occupant(), g.full(), "groupchat")
	case n < 86: // chat state (XEP-0085)
		g.open("message", "to", g.full(), "from", g.full(), "type", "chat", "id", g.id())
		g.empty(g.either("composing", "paused", "active", "inactive", "gone"), "xmlns", "http://jabber.org/protocol/chatstates")
		g.empty("no-store", "xmlns", "urn:xmpp:hints")
		g.close("message")
	case n < 94: // receipt (XEP-0184)
		g.open("message", "from", g.full(), "to", g.full(), "id", g.id(), "type", "chat")
		g.empty("received", "xmlns", "urn:xmpp:receipts", "id", g.id())
		if g.percent(50) {
			g.empty("store", "xmlns", "urn:xmpp:hints")
		}
		g.close("message")
	default: // marker (XEP-0333)
		g.open("message", "from", g.full(), "to", g.bare(), "id", g.id(), "type", "chat")
		g.empty("displayed", "xmlns", "urn:xmpp:chat-markers:0", "id", g.id())
		g.empty("origin-id", "xmlns", "urn:xmpp:sid:0", "id", g.id())
		g.close("message")
	}
}

// message writes one with a body. decl are attributes to go before all others.
func (g *generator) message(from, to, typ string, decl ...string) {
	id := g.id()
	attrs := append(decl, "from", from, "to", to, "type", typ, "id", id)
	if g.percent(30) {
		attrs = append(attrs, "xml:lang", g.either("en", "de", "fr", "ru"))
	}
	g.open("message", attrs...)
	g.leaf("body", g.chatLine())
	if g.percent(25) {
		g.leaf("thread", g.hex(40))
	}
	if typ == "chat" {
		g.empty("active", "xmlns", "http://jabber.org/protocol/chatstates")
		g.empty("request", "xmlns", "urn:xmpp:receipts")
		if g.percent(50) {
			g.empty("markable", "xmlns", "urn:xmpp:chat-markers:0")
		}
	}
	if g.percent(80) {
		g.empty("origin-id", "xmlns", "urn:xmpp:sid:0", "id", id)
	}
	if g.percent(50) || typ == "groupchat" {
		g.empty("stanza-id", "xmlns", "urn:xmpp:sid:0", "by", g.bare(), "id", g.uuid())
	}
	if typ == "groupchat" {
		g.empty("occupant-id", "xmlns", "urn:xmpp:occupant-id:0", "id", g.base64(32))
	}
	if g.percent(8) {
		g.reply()
	}
	if g.percent(4) {
		g.open("x", "xmlns", "jabber:x:oob")
		g.leaf("url", "https://upload.example.org/"+g.hex(40)+"/photo.jpg?v=2&k="+g.hex(8))
		g.close("x")
	}
	g.close("message")
}

// reply writes XEP-0461 and its XEP-0428 fallback.
func (g *generator) reply() {
	g.open("reply", "xmlns", "urn:xmpp:reply:0", "to", g.full(), "id", g.uuid())
	g.close("reply")
	g.open("fallback", "xmlns", "urn:xmpp:fallback:0", "for", "urn:xmpp:reply:0")
	g.empty("body", "start", "0", "end", g.number(90))
	g.close("fallback")
}

func (g *generator) presence() {
	g.stanzaStyle()
	if g.percent(12) {
		g.empty("presence", "from", g.full(), "to", g.full(), "type",
			g.either("unavailable", "unavailable", "subscribe", "subscribed", "probe"))
		return
	}
	attrs := []string{"from", g.full(), "to", g.full()}
	if g.percent(30) {
		attrs = append(attrs, "id", g.id())
	}
	room := g.percent(20)
	if room {
		attrs[1] = g.occupant()
	}
	g.open("presence", attrs...)
	if g.percent(50) {
		g.leaf("show", g.either("away", "xa", "dnd", "chat"))
	}
	if g.percent(40) {
		g.leaf("status", g.line(10+g.below(60)))
	}
	g.leaf("priority", g.number(128))
	g.empty("c", "xmlns", "http://jabber.org/protocol/caps", "hash", "sha-1", "node", g.one(clients), "ver", g.one(versions))
	g.open("x", "xmlns", "vcard-temp:x:update")
	g.leaf("photo", g.hex(40))
	g.close("x")
	if g.percent(15) {
		g.empty("idle", "xmlns", "urn:xmpp:idle:1", "since", g.stamp())
	}
	if room {
		g.open("x", "xmlns", "http://jabber.org/protocol/muc#user")
		g.empty("item", "affiliation", "member", "role", "participant", "jid", g.full())
		if g.percent(10) {
			g.empty("status", "code", "110")
		}
		g.close("x")
		g.empty("occupant-id", "xmlns", "urn:xmpp:occupant-id:0", "id", g.base64(32))
	}
	g.close("presence")
}

func (g *generator) roster() {
	g.stanzaStyle()
	g.open("iq", "to", g.full(), "type", "result", "id", g.id())
	g.open("query", "xmlns", "jabber:iq:roster", "ver", g.number(1000))
	for range 200 {
		g.contact()
	}
	g.close("query")
	g.close("iq")
}

func (g *generator) contact() {
	attrs := []string{"jid", g.bare(), "subscription", g.either("both", "both", "both", "to", "from", "none")}
	if g.percent(70) {
		name := g.one(locals)
		attrs = append(attrs, "name", name+" "+g.one(words[g.one(languages)]))
	}
	if g.percent(10) {
		attrs = append(attrs, "ask", "subscribe")
	}
	if !g.percent(55) {
		g.empty("item", attrs...)
		return
	}
	g.open("item", attrs...)
	g.leaf("group", g.either("Friends", "Work", "Family", "R&D", "Büro"))
	if g.percent(15) {
		g.leaf("group", "VIP")
	}
	g.close("item")
}

func (g *generator) archive() {
	g.stanzaStyle()
	me := g.bare()
	g.open("message", "from", me, "to", me+"/"+g.one(resources))
	g.open("result", "xmlns", "urn:xmpp:mam:2", "queryid", g.hex(8), "id", g.uuid())
	g.open("forwarded", "xmlns", "urn:xmpp:forward:0")
	g.empty("delay", "xmlns", "urn:xmpp:delay", "stamp", g.stamp())
	g.message(g.full(), me, "chat", "xmlns", "jabber:client")
	g.close("forwarded")
	g.close("result")
	g.close("message")
}

func (g *generator) omemo() {
	g.stanzaStyle()
	if g.percent(65) {
		g.encrypted()
	} else {
		g.bundle()
	}
}

func (g *generator) encrypted() {
	g.open("message", "from", g.full(), "to", g.bare(), "type", "chat", "id", g.id())
	g.open("encrypted", "xmlns", "eu.siacs.conversations.axolotl")
	g.open("header", "sid", g.device())
	for range 3 + g.below(14) {
		attrs := []string{"rid", g.device()}
		if g.percent(10) {
			attrs = append(attrs, "prekey", "true")
		}
		g.leaf("key", g.base64(120+g.below(60)), attrs...)
	}
	g.leaf("iv", g.base64(12))
	g.close("header")
	g.leaf("payload", g.base64(64+g.below(2500)))
	g.close("encrypted")
	g.empty("encryption", "xmlns", "urn:xmpp:eme:0", "namespace", "eu.siacs.conversations.axolotl", "name", "OMEMO")
	g.leaf("body", "I sent you an OMEMO encrypted message but your client doesn't seem to support that.")
	g.empty("store", "xmlns", "urn:xmpp:hints")
	g.empty("origin-id", "xmlns", "urn:xmpp:sid:0", "id", g.uuid())
	g.close("message")
}

func (g *generator) bundle() {
	g.open("message", "from", g.bare(), "to", g.full(), "type", "headline", "id", g.id())
	g.open("event", "xmlns", "http://jabber.org/protocol/pubsub#event")
	g.open("items", "node", "eu.siacs.conversations.axolotl.bundles:"+g.device())
	g.open("item", "id", "current")
	g.open("bundle", "xmlns", "eu.siacs.conversations.axolotl")
	g.leaf("signedPreKeyPublic", g.base64(33), "signedPreKeyId", g.number(1000))
	g.leaf("signedPreKeySignature", g.base64(64))
	g.leaf("identityKey", g.base64(33))
	g.open("prekeys")
	for i := range 30 + g.below(71) {
		g.leaf("preKeyPublic", g.base64(33), "preKeyId", fmt.Sprint(i+1))
	}
	for _, name := range []string{"prekeys", "bundle", "item", "items", "event", "message"} {
		g.close(name)
	}
}

func (g *generator) disco() {
	g.stanzaStyle()
	node := g.one(clients) + "#" + g.one(versions)
	g.open("iq", "type", "result", "from", g.full(), "to", g.full(), "id", g.id())
	g.open("query", "xmlns", "http://jabber.org/protocol/disco#info", "node", node)
	g.empty("identity", "category", "client", "type", g.either("pc", "phone", "web"),
		"name", g.either("Gajim", "Conversations", "Dino", "Psi+"), "xml:lang", "en")
	first := g.below(len(features))
	for i := range 60 {
		g.empty("feature", "var", features[(first+i)%len(features)])
	}
	g.close("query")
	g.close("iq")
}

func (g *generator) ping() {
	g.stanzaStyle()
	switch g.below(8) {
	case 0:
		g.open("iq", "from", g.full(), "to", g.one(domains), "id", g.id(), "type", "get")
		g.empty("ping", "xmlns", "urn:xmpp:ping")
		g.close("iq")
	case 1, 2:
		g.empty("iq", "from", g.one(domains), "to", g.full(), "id", g.id(), "type", "result")
	case 3:
		g.open("iq", "from", g.full(), "to", g.full(), "id", g.id(), "type", "error")
		g.open("error", "type", "cancel")
		g.empty("service-unavailable", "xmlns", "urn:ietf:params:xml:ns:xmpp-stanzas")
		g.close("error")
		g.close("iq")
	case 4, 5:
		g.empty("r", "xmlns", "urn:xmpp:sm:3")
	default:
		g.empty("a", "xmlns", "urn:xmpp:sm:3", "h", g.number(100000))
	}
}

func (g *generator) vcard() {
	g.stanzaStyle()
	g.open("iq", "type", "result", "from", g.bare(), "to", g.full(), "id", g.id())
	g.open("vCard", "xmlns", "vcard-temp")
	name := g.one(locals)
	g.leaf("FN", name+" "+g.one(words["de"]))
	g.open("N")
	g.leaf("FAMILY", g.one(words["fr"]))
	g.leaf("GIVEN", name)
	g.empty("MIDDLE")
	g.close("N")
	g.leaf("NICKNAME", name)
	g.leaf("URL", "https://example.org/~"+name)
	g.leaf("BDAY", "1990-01-02")
	g.open("PHOTO")
	g.leaf("TYPE", "image/jpeg")
	g.open("BINVAL")
	photo := g.base64(40 << 10)
	if g.percent(50) { // many clients break the lines
		for ; len(photo) > 76; photo = photo[76:] {
			g.raw(photo[:76] + "\n")
		}
	}
	g.raw(photo)
	g.close("BINVAL")
	g.close("PHOTO")
	g.leaf("DESC", g.line(100))
	g.close("vCard")
	g.close("iq")
}
