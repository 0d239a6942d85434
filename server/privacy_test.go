package server_test

import (
	"testing"
)

// setList makes a privacy list.
func (r *raw) setList(name, items string) {
	r.t.Helper()
	r.send("<iq type='set' id='l'><query xmlns='jabber:iq:privacy'><list name='%s'>%s</list></query></iq>", name, items)
	r.expect("<iq type='result' id='l'")
	r.drain()
}

func (r *raw) use(kind, name string) {
	r.t.Helper()
	r.send("<iq type='set' id='u'><query xmlns='jabber:iq:privacy'><%s name='%s'/></query></iq>", kind, name)
	r.expect("<iq type='result' id='u'")
	r.drain()
}

// TestPrivacyEnforced shows where lists are asked; what they say is tested with
// the package privacy.
func TestPrivacyEnforced(t *testing.T) {
	t.Run("R3921-10.14-1 R3921-10.9-1 a message is dropped without a word", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		juliet.setList("no", "<item type='jid' value='romeo@localhost' action='deny' order='1'><message/></item>")
		juliet.use("active", "no")
		romeo.send("<message to='juliet@localhost/balcony'><body>1</body></message><message to='juliet@localhost'><body>2</body></message>")
		wantNone(t, romeo.drain(), "error")
		wantNone(t, juliet.drain(), "<body>")
		romeo.send("<presence to='juliet@localhost/balcony'/>")
		romeo.drain()
		wantInOrder(t, juliet.drain(), "<presence ")
	})
	t.Run("R3921-10.2-2 the default list counts for who is away", func(t *testing.T) {
		s, juliet, romeo := pair(t, nil)
		juliet.setList("no", "<item type='jid' value='romeo@localhost' action='deny' order='1'/>")
		juliet.use("default", "no")
		juliet.send("</stream:stream>")
		juliet.expectEnd()
		romeo.send("<message to='juliet@localhost' id='m'><body>1</body></message><presence type='subscribe' to='juliet@localhost'/>")
		got := romeo.drain()
		wantInOrder(t, got, "<message type='error' id='m'", "<service-unavailable") // an address that is denied everything is blocked
		wantNone(t, got, "<presence")
		juliet = interested(t, s, "juliet", "r0m30", "balcony")
		wantNone(t, juliet.drain(), "<body>", "subscribe")
	})
	t.Run("R3921-10.2-1 an active list is for its session only", func(t *testing.T) {
		s, juliet, romeo := pair(t, nil)
		second := available(t, s, "juliet", "r0m30", "second", 5)
		second.setList("no", "<item type='jid' value='romeo@localhost' action='deny' order='1'/>")
		second.use("active", "no")
		juliet.drain()
		romeo.send("<message to='juliet@localhost'><body>1</body></message>")
		romeo.drain()
		wantInOrder(t, juliet.drain(), "<body>1</body>") // although second has the higher priority
		wantNone(t, second.drain(), "<body>")
	})
	t.Run("R3921-10.14-2 R3921-10.12-1 an iq is answered as if nobody was there", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		befriend(romeo, "romeo", juliet, "juliet")
		juliet.setList("no", "<item action='deny' order='1'><iq/></item>")
		juliet.use("active", "no")
		juliet.use("default", "no")
		for _, to := range []string{"juliet@localhost/balcony", "juliet@localhost"} {
			romeo.send("<iq type='get' id='q' to='%s'><query xmlns='jabber:iq:version'/></iq>", to)
			romeo.expect("<iq type='error' id='q'", "<service-unavailable")
		}
		wantNone(t, juliet.drain(), "jabber:iq:version")
	})
	t.Run("R3921-10.11-1 R3921-5.1.3-2 presence does not go out", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		befriend(romeo, "romeo", juliet, "juliet")
		juliet.setList("hidden", "<item action='deny' order='1'><presence-out/></item>")
		juliet.use("active", "hidden")
		romeo.drain()
		juliet.send("<presence><show>away</show></presence>")
		juliet.drain()
		romeo.send("<presence type='probe' to='juliet@localhost'/>")
		wantNone(t, romeo.drain(), "<presence")
	})
	t.Run("R3921-10.10-1 presence does not come in, and nobody is probed", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		befriend(romeo, "romeo", juliet, "juliet")
		romeo.setList("deaf", "<item action='deny' order='1'><presence-in/></item>")
		romeo.use("active", "deaf")
		juliet.send("<presence><show>away</show></presence>")
		juliet.drain()
		wantNone(t, romeo.drain(), "<show>away</show>")
		romeo.send("<presence type='unavailable'/><presence/>")
		wantNone(t, romeo.drain(), "from='juliet@localhost")
	})
	t.Run("R3921-10.2-9 groups and subscriptions count as they are", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		juliet.send("<iq type='set' id='g'><query xmlns='jabber:iq:roster'><item jid='nurse@localhost'><group>Enemies</group></item></query></iq>")
		juliet.drain()
		juliet.setList("no", "<item type='group' value='Enemies' action='deny' order='1'/>")
		juliet.use("active", "no")
		romeo.send("<message to='juliet@localhost/balcony'><body>1</body></message>")
		romeo.drain()
		wantInOrder(t, juliet.drain(), "<body>1</body>")
		juliet.send("<iq type='set' id='g'><query xmlns='jabber:iq:roster'><item jid='romeo@localhost'><group>Enemies</group></item></query></iq>")
		juliet.drain()
		romeo.send("<message to='juliet@localhost/balcony'><body>2</body></message>")
		romeo.drain()
		wantNone(t, juliet.drain(), "<body>2</body>")
	})
	t.Run("R3921-10.13-1 all communication", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		juliet.setList("no", "<item type='jid' value='romeo@localhost' action='deny' order='1'/>")
		juliet.use("active", "no")
		juliet.send("<message to='romeo@localhost' id='m'><body>1</body></message><presence to='romeo@localhost'/>")
		juliet.drain()
		wantNone(t, romeo.drain(), "juliet@localhost")
	})
}

// TestBlocking is XEP-0191 from end to end.
func TestBlocking(t *testing.T) {
	_, juliet, romeo := pair(t, nil)
	befriend(romeo, "romeo", juliet, "juliet")
	befriend(juliet, "juliet", romeo, "romeo")
	juliet.send("<iq type='get' id='b0'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
	juliet.expect("<iq type='result' id='b0'")
	juliet.send("<iq type='set' id='b1'><block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block></iq>")
	got := juliet.drain()
	wantInOrder(t, got, "<iq type='result' id='b1'")
	wantInOrder(t, got, "<block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block>")
	wantInOrder(t, romeo.drain(), "<presence type='unavailable' to='romeo@localhost' from='juliet@localhost/balcony'")

	romeo.send("<message to='juliet@localhost/balcony' id='m'><body>1</body></message><iq type='get' id='q' to='juliet@localhost/balcony'><q xmlns='urn:q'/></iq>")
	wantInOrder(t, romeo.drain(), "<message type='error' id='m'", "<service-unavailable", "<iq type='error' id='q'", "<service-unavailable")
	romeo.send("<message to='juliet@localhost' id='bare'><body>1</body></message>")
	wantInOrder(t, romeo.drain(), "<message type='error' id='bare'", "<service-unavailable")
	wantNone(t, juliet.drain(), "<body>1</body>", "urn:q")
	juliet.send("<message to='romeo@localhost' id='o'><body>2</body></message>")
	juliet.expect("<message type='error' id='o'", "<not-acceptable", "<blocked xmlns='urn:xmpp:blocking:errors'/>")

	juliet.send("<iq type='set' id='b2'><unblock xmlns='urn:xmpp:blocking'/></iq>")
	wantInOrder(t, juliet.drain(), "<iq type='result' id='b2'")
	wantInOrder(t, romeo.drain(), "<presence to='romeo@localhost' from='juliet@localhost/balcony'")
}
