package dialback

import (
	"errors"
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

// Each row is something by which a peer could try to have a pair validated at
// the receiving server. No one may succeed, and none may keep the true answer
// from being taken, if one is still due.
func TestReceivingSpoofs(t *testing.T) {
	verify := func(change func(*Packet)) func(Packet) Packet {
		return func(p Packet) Packet {
			a := answerTo(p, TypeValid)
			change(&a)
			return a
		}
	}
	tests := []struct {
		name  string
		spoof func(verify Packet) Packet
		want  error
	}{
		{"R3920-8.3-4 another id", verify(func(p *Packet) { p.ID = "1251A342B" }), ErrUnsolicited},
		{"R3920-8.3-4 another id in a db:result", verify(func(p *Packet) { p.Kind, p.ID = Result, "1251A342B" }),
			ErrUnsolicited},
		{"CORE-5.2.1-9 no id", verify(func(p *Packet) { p.ID = "" }), ErrRole},
		{"CORE-5.2.1-9 db:result without id", verify(func(p *Packet) { p.Kind, p.ID = Result, "" }), ErrRole},
		{"another domain", verify(func(p *Packet) { p.From = mallory }), ErrUnsolicited},
		{"a subdomain", verify(func(p *Packet) { p.From = rooms }), ErrUnsolicited},
		{"to another domain of ours", verify(func(p *Packet) { p.To = chat }), ErrUnsolicited},
		{"no from", verify(func(p *Packet) { p.From = jid.JID{} }), ErrUnsolicited},
		{"no to", verify(func(p *Packet) { p.To = jid.JID{} }), ErrUnsolicited},
		{"domains swapped", verify(func(p *Packet) { p.From, p.To = p.To, p.From }), ErrUnsolicited},
		{"our own request come back", func(p Packet) Packet { return p }, ErrRole},
		{"a request with the key", verify(func(p *Packet) { p.Type, p.Key = TypeRequest, "k" }), ErrRole},
		{"unknown type", verify(func(p *Packet) { p.Type = "VALID" }), ErrRole},
		{"unknown kind", verify(func(p *Packet) { p.Kind = 0 }), ErrRole},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, v := newReceiving(), new(Verifier)
			_, p := ask(t, r, v, capulet, montague, goodKey)
			a, err := v.Answer(tt.spoof(p))
			if !errors.Is(err, tt.want) || a.IsValid() {
				t.Errorf("Answer: %+v, %v", a, err)
			}
			if _, err := r.Resolve(a); !errors.Is(err, ErrUnsolicited) {
				t.Errorf("Resolve: %v", err)
			}
			if s := r.State(fromCapulet); s != Pending {
				t.Fatalf("the pair is %v", s)
			}
			if a, err = v.Answer(answerTo(p, TypeValid)); err != nil {
				t.Fatalf("the true answer: %v", err)
			}
			if _, err = r.Resolve(a); err != nil || r.State(fromCapulet) != Valid {
				t.Errorf("the true answer: %v", err)
			}
		})
	}
}

// The same by answers that are right in themselves, at the wrong time or place.
func TestReceivingReplays(t *testing.T) {
	tests := []struct {
		name string
		want State
		do   func(*testing.T, *Receiving, *Verifier, *Query, Packet)
	}{
		{"on a stream on which nothing was asked", Pending,
			func(t *testing.T, _ *Receiving, _ *Verifier, _ *Query, p Packet) {
				other := new(Verifier)
				if _, err := other.Answer(answerTo(p, TypeValid)); !errors.Is(err, ErrUnsolicited) {
					t.Errorf("got %v", err)
				}
			}},
		{"on a stream that was asked for another domain", Pending,
			func(t *testing.T, r *Receiving, _ *Verifier, _ *Query, p Packet) {
				evil := new(Verifier)
				ask(t, r, evil, mallory, montague, "k")
				if _, err := evil.Answer(answerTo(p, TypeValid)); !errors.Is(err, ErrUnsolicited) {
					t.Errorf("got %v", err)
				}
			}},
		{"twice", Valid, func(t *testing.T, r *Receiving, v *Verifier, _ *Query, p Packet) {
			a := mustAnswer(t, v, answerTo(p, TypeValid))
			mustResolve(t, r, a)
			if _, err := v.Answer(answerTo(p, TypeValid)); !errors.Is(err, ErrUnsolicited) {
				t.Errorf("Answer: %v", err)
			}
			if _, err := r.Resolve(a); !errors.Is(err, ErrUnsolicited) {
				t.Errorf("Resolve: %v", err)
			}
		}},
		{"invalid, then valid", Refused, func(t *testing.T, r *Receiving, v *Verifier, q *Query, p Packet) {
			r.pairs.move(Pair{montague, rooms}, requested) // keeps the stream open
			r.pairs.move(Pair{montague, rooms}, foundValid)
			mustResolve(t, r, mustAnswer(t, v, answerTo(p, TypeInvalid)))
			if _, err := v.Answer(answerTo(p, TypeValid)); !errors.Is(err, ErrUnsolicited) {
				t.Errorf("Answer: %v", err)
			}
			if _, err := r.Resolve(q.Proven()); !errors.Is(err, ErrUnsolicited) {
				t.Errorf("Resolve: %v", err)
			}
			again, _, err := r.Request(Packet{Kind: Result, From: capulet, To: montague, Key: goodKey})
			if again != nil || err != nil {
				t.Errorf("it was asked again: %v, %v", again, err)
			}
		}},
		{"invalid, and the stream is closed", None,
			func(t *testing.T, r *Receiving, v *Verifier, q *Query, p Packet) {
				mustResolve(t, r, mustAnswer(t, v, answerTo(p, TypeInvalid)))
				if _, err := r.Resolve(q.Proven()); !errors.Is(err, ErrClosed) {
					t.Errorf("Resolve: %v", err)
				}
				if again, _, err := r.Request(Packet{Kind: Result, From: capulet, To: montague, Key: goodKey}); again != nil ||
					!errors.Is(err, ErrClosed) {
					t.Errorf("it was asked again: %v, %v", again, err)
				}
			}},
		{"error, then valid", None, func(t *testing.T, r *Receiving, v *Verifier, _ *Query, p Packet) {
			mustResolve(t, r, mustAnswer(t, v, answerTo(p, TypeError)))
			if _, err := v.Answer(answerTo(p, TypeValid)); !errors.Is(err, ErrUnsolicited) {
				t.Errorf("Answer: %v", err)
			}
		}},
		{"timeout, then valid", None, func(t *testing.T, r *Receiving, v *Verifier, q *Query, p Packet) {
			mustResolve(t, r, q.Failed(""))
			if _, err := r.Resolve(mustAnswer(t, v, answerTo(p, TypeValid))); !errors.Is(err, ErrUnsolicited) {
				t.Errorf("Resolve: %v", err)
			}
		}},
		{"of a first request for a second", Pending,
			func(t *testing.T, r *Receiving, v *Verifier, q *Query, p Packet) {
				mustResolve(t, r, q.Failed(""))
				ask(t, r, new(Verifier), capulet, montague, "another key")
				if _, err := r.Resolve(mustAnswer(t, v, answerTo(p, TypeValid))); !errors.Is(err, ErrUnsolicited) {
					t.Errorf("Resolve: %v", err)
				}
			}},
		{"of one stream for another with the same id", Pending,
			func(t *testing.T, r *Receiving, _ *Verifier, _ *Query, _ Packet) {
				twin, tv := newReceiving(), new(Verifier)
				_, p := ask(t, twin, tv, capulet, montague, "k")
				if _, err := r.Resolve(mustAnswer(t, tv, answerTo(p, TypeValid))); !errors.Is(err, ErrUnsolicited) {
					t.Errorf("Resolve: %v", err)
				}
			}},
		{"of another pair", Pending, func(t *testing.T, r *Receiving, v *Verifier, _ *Query, _ Packet) {
			_, p := ask(t, r, v, mallory, montague, "k")
			mustResolve(t, r, mustAnswer(t, v, answerTo(p, TypeValid)))
		}},
		{"an answer in the place of a request", Pending,
			func(t *testing.T, r *Receiving, _ *Verifier, _ *Query, p Packet) {
				for _, kind := range []Kind{Result, Verify} {
					a := answerTo(p, TypeValid)
					a.Kind = kind
					if _, _, err := r.Request(a); !errors.Is(err, ErrRole) {
						t.Errorf("got %v", err)
					}
				}
			}},
		{"a db:verify in the place of a db:result", Pending,
			func(t *testing.T, r *Receiving, _ *Verifier, _ *Query, _ Packet) {
				q, _, err := r.Request(Packet{Kind: Verify, From: rooms, To: montague, ID: streamID, Key: goodKey})
				if q != nil || !errors.Is(err, ErrRole) || r.State(Pair{montague, rooms}) != None {
					t.Errorf("got %v, %v", q, err)
				}
			}},
		{"an empty answer", Pending, func(t *testing.T, r *Receiving, _ *Verifier, _ *Query, _ Packet) {
			if _, err := r.Resolve(Answer{}); !errors.Is(err, ErrUnsolicited) {
				t.Errorf("got %v", err)
			}
		}},
		{"a second request with another key", Pending,
			func(t *testing.T, r *Receiving, _ *Verifier, _ *Query, _ Packet) {
				q, reply, err := r.Request(Packet{Kind: Result, From: capulet, To: montague, Key: "another"})
				if q != nil || !reply.IsZero() || err != nil {
					t.Errorf("got %v, %+v, %v", q, reply, err)
				}
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, v := newReceiving(), new(Verifier)
			q, p := ask(t, r, v, capulet, montague, "k")
			tt.do(t, r, v, q, p)
			if s := r.State(fromCapulet); s != tt.want {
				t.Errorf("the pair is %v, want %v", s, tt.want)
			}
		})
	}
}

func mustAnswer(t *testing.T, v *Verifier, p Packet) Answer {
	t.Helper()
	a, err := v.Answer(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustResolve(t *testing.T, r *Receiving, a Answer) {
	t.Helper()
	if _, err := r.Resolve(a); err != nil {
		t.Fatal(err)
	}
}

// The same at the originating server, which could be made to send what is for
// one domain to another.
func TestOriginatingSpoofs(t *testing.T) {
	good := Packet{Kind: Result, Type: TypeValid, From: montague, To: capulet}
	tests := []struct {
		name   string
		change func(*Packet)
		want   error
	}{
		{"another id", func(p *Packet) { p.ID = "417GAF25" }, ErrUnsolicited},
		{"another domain", func(p *Packet) { p.From = mallory }, ErrUnsolicited},
		{"another domain of the peer", func(p *Packet) { p.From = chat }, ErrUnsolicited},
		{"to another domain of ours", func(p *Packet) { p.To = rooms }, ErrUnsolicited},
		{"no from", func(p *Packet) { p.From = jid.JID{} }, ErrUnsolicited},
		{"domains swapped", func(p *Packet) { p.From, p.To = p.To, p.From }, ErrUnsolicited},
		{"db:verify", func(p *Packet) { p.Kind, p.ID = Verify, streamID }, ErrRole},
		{"our own request come back", func(p *Packet) { p.Type, p.Key = TypeRequest, goodKey }, ErrRole},
		{"unknown type", func(p *Packet) { p.Type = "VALID" }, ErrRole},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOriginating()
			if _, err := o.Request(toMontague); err != nil {
				t.Fatal(err)
			}
			p := good
			tt.change(&p)
			if out, err := o.Result(p); !errors.Is(err, tt.want) || out != (Outcome{}) {
				t.Errorf("got %+v, %v", out, err)
			}
			if s := o.State(toMontague); s != Pending {
				t.Fatalf("the pair is %v", s)
			}
			if s := o.State(p.Pair()); p.Pair() != toMontague && s != None {
				t.Errorf("the other pair is %v", s)
			}
			if _, err := o.Result(good); err != nil || o.State(toMontague) != Valid {
				t.Errorf("the true result: %v", err)
			}
		})
	}
}
