package client

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// SessionState is what another process needs to go on with a session that has no
// connection (XEP-0198, section 5). As JSON it can be kept anywhere. It holds what was
// sent and not acknowledged, so it is as confidential as the messages are; who has
// got it cannot resume the session without the account's password, or token.
type SessionState struct {
	// JID is the full address of the session.
	JID jid.JID
	// Lost is when the connection was lost, or left.
	Lost time.Time
	// Available is what the last presence to everybody has said.
	Available bool
	// Beyond are the numbers of the server's stanzas, beyond Handled, that were
	// handled too: while one handler takes its time others go on.
	Beyond []uint64
	// Resumption is what the stream needs.
	stream.Resumption
}

// stateJSON is a SessionState as it is written.
type stateJSON struct {
	JID       jid.JID   `json:"jid"`
	Lost      time.Time `json:"lost"`
	Available bool      `json:"available"`
	ID        string    `json:"id"`
	Max       int64     `json:"max,omitempty"` // seconds
	Location  string    `json:"location,omitempty"`
	Handled   uint64    `json:"handled"`
	Beyond    []uint64  `json:"beyond,omitempty"`
	Acked     uint64    `json:"acked"`
	Unacked   []string  `json:"unacked,omitempty"`
	Features  []string  `json:"features,omitempty"` // with their namespaces before them
	MaxBytes  int       `json:"max_bytes,omitempty"`
	Idle      int64     `json:"idle,omitempty"` // seconds
}

// MarshalJSON writes the state.
func (s *SessionState) MarshalJSON() ([]byte, error) {
	j := stateJSON{
		JID: s.JID, Lost: s.Lost, Available: s.Available, ID: s.ID, Max: int64(s.Max / time.Second), Location: s.Location,
		Handled: s.Handled, Beyond: s.Beyond, Acked: s.Acked,
		MaxBytes: s.Limits.MaxBytes, Idle: int64(s.Limits.Idle / time.Second),
	}
	for _, st := range s.Unacked {
		j.Unacked = append(j.Unacked, st.String())
	}
	for _, name := range s.Offers {
		j.Features = append(j.Features, name.Space+" "+name.Local)
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the state.
func (s *SessionState) UnmarshalJSON(data []byte) error {
	var j stateJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	r := stream.Resumption{Handled: j.Handled, Acked: j.Acked}
	r.Grant = stream.Grant{ID: j.ID, Max: time.Duration(j.Max) * time.Second, Location: j.Location}
	for _, text := range j.Unacked {
		st, err := stanza.Parse(text)
		if err != nil {
			return fmt.Errorf("client: a stanza of the session: %w", err)
		}
		r.Unacked = append(r.Unacked, st)
	}
	for _, name := range j.Features {
		space, local, _ := strings.Cut(name, " ")
		r.Offers = append(r.Offers, xml.Name{Space: space, Local: local})
	}
	r.Limits = stream.Limits{MaxBytes: j.MaxBytes, Idle: time.Duration(j.Idle) * time.Second}
	if j.ID == "" || !j.JID.IsFull() {
		return errors.New("client: the session has no id, or no full address")
	}
	*s = SessionState{j.JID, j.Lost, j.Available, j.Beyond, r}
	return nil
}

// ResumptionStore keeps the state of one client's session beyond the end of the
// process. A client calls one method at a time.
type ResumptionStore interface {
	// Load returns what was saved last, nil if that was nil, or nothing.
	Load(ctx context.Context) (*SessionState, error)
	// Save keeps a state in place of the one before, wholly or not at all; nil: there
	// is none any more.
	Save(ctx context.Context, s *SessionState) error
}

// FileStore is a [ResumptionStore] that keeps the state in the file of that name, and a
// [LoginStore] that keeps what it has in a file with ".login" behind the name. Only their
// owner can read them. Each client needs one of its own.
type FileStore string

var (
	_ ResumptionStore = FileStore("")
	_ LoginStore      = FileStore("")
)

// Load reads the file. It is no error if there is none.
func (f FileStore) Load(context.Context) (*SessionState, error) {
	s := new(SessionState)
	ok, err := load(string(f), s)
	if err != nil || !ok {
		return nil, err
	}
	return s, nil
}

// Save writes the file, in a way that leaves the old one or the new one whatever
// happens meanwhile; for nil it removes it.
func (f FileStore) Save(_ context.Context, s *SessionState) error {
	if s != nil {
		return save(string(f), s)
	}
	if err := os.Remove(string(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}

// load reads a file into v; ok is false if there is none.
func load(name string, v any) (ok bool, err error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("client: %w", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("client: %s: %w", name, err)
	}
	return true, nil
}

// save writes v to a file, wholly or not at all.
func save(name string, v any) error {
	data, err := json.Marshal(v)
	if err == nil {
		err = write(name, data)
	}
	if err != nil {
		err = fmt.Errorf("client: %w", err)
	}
	return err
}

func write(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(tmp.Name()))
	}
	return err
}

// keeper puts a ResumptionStore into the words of package session.
type keeper struct {
	store ResumptionStore
	own   jid.JID
}

func (k keeper) save(ctx context.Context, st *session.State) error {
	return k.store.Save(ctx, (*SessionState)(st))
}

// load returns what is saved, unless it is the session of another account, or of
// another resource than the client is to have.
func (k keeper) load(ctx context.Context) (*session.State, error) {
	s, err := k.store.Load(ctx)
	if err != nil || s == nil {
		return nil, err
	}
	switch {
	case s.JID.DomainJID() != k.own.DomainJID(), k.own.Local() != "" && s.JID.Local() != k.own.Local(),
		k.own.Resource() != "" && s.JID.Resource() != k.own.Resource():
		return nil, fmt.Errorf("client: the session of %s is not one of %s", s.JID, k.own)
	}
	return (*session.State)(s), nil
}

// ResendAll is for Resend of a [Config]: everything is sent again, so nothing is lost,
// but some may arrive twice.
func ResendAll(_ context.Context, _ xmpp.Sender, _ time.Time, unknown []*stanza.Stanza) ([]*stanza.Stanza, error) {
	return slices.Clone(unknown), nil
}
