// Package share lets a client be the small web server that offers of out-of-band
// data were made for: "By providing the IP address to a local file, clients
// essentially setup a mini-web server to allow the other party to fetch the file"
// (Jabber Programmers Guide, chapter 9).
//
// It is an option for those who want it, on a network of their own: it "does not
// allow clients to pass files through a firewall", and it tells the other party
// one's network address (RFC 6120, section 13.10.1). Nothing is reachable but
// what was shared, under an address that nobody can guess, until it is revoked
// or its time is over.
package share

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Defaults of the bounds of a [Server].
const (
	DefaultMaxFiles = 100
	DefaultLifetime = time.Hour
)

// ErrFull is returned by [Server.Share] when as many files are shared as may be.
var ErrFull = errors.New("share: too many files")

// Server is an [http.Handler] for the files that are shared. It is for a
// listener that the program opens; Base is how others reach that. It is safe for
// concurrent use.
type Server struct {
	// Base is the URL that the handler is reached at from outside, as
	// "http://192.0.2.7:8000/files/".
	Base string
	// MaxFiles bounds how many files are shared at the same time. 0 stands for
	// [DefaultMaxFiles], -1 for no bound.
	MaxFiles int
	// Lifetime is how long a file is shared; 0 stands for [DefaultLifetime], -1
	// for no end.
	Lifetime time.Duration

	mu    sync.Mutex
	files map[string]file // by token
}

type file struct {
	name string
	open func() (io.ReadSeekCloser, error)
	end  time.Time // zero: none
}

// Share makes a file available and returns its URL, to be sent as an offer, and
// a function that takes it back. name is the last part of the URL and tells the
// type of the file. open is called for each request, from any goroutine. The
// error is [ErrFull], or that of a Base that is no URL.
func (s *Server) Share(name string, open func() (io.ReadSeekCloser, error)) (link string, revoke func(), err error) {
	base, err := url.Parse(s.Base)
	if err != nil {
		return "", nil, err
	}
	if base.Host == "" {
		return "", nil, errors.New("share: Base is not the URL of a web server")
	}
	token := rand.Text()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, f := range s.files {
		if f.isOver(now) {
			delete(s.files, t)
		}
	}
	if max := orDefault(s.MaxFiles, DefaultMaxFiles); max >= 0 && len(s.files) >= max {
		return "", nil, ErrFull
	}
	f := file{name: cleanName(name), open: open}
	if life := orDefault(s.Lifetime, DefaultLifetime); life >= 0 {
		f.end = now.Add(life)
	}
	if s.files == nil {
		s.files = make(map[string]file)
	}
	s.files[token] = f
	return base.JoinPath(token, f.name).String(), func() { s.revoke(token) }, nil
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// cleanName makes a name one part of a path that stays where it is.
func cleanName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if strings.Trim(name, ".") == "" {
		return "file"
	}
	return name
}

func (f *file) isOver(now time.Time) bool { return !f.end.IsZero() && !now.Before(f.end) }

func (s *Server) revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, token)
}

// find returns the file of a path that ends in token and name.
func (s *Server) find(path string) (file, bool) {
	dir, name, ok := cutLast(path)
	if !ok {
		return file{}, false
	}
	_, token, _ := cutLast(dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[token]
	return f, ok && f.name == name && !f.isOver(time.Now())
}

func cutLast(path string) (dir, name string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// ServeHTTP sends a file that is shared; it answers GET and HEAD, also for
// ranges. A browser shows nothing of it, but stores it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f, ok := s.find(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	content, err := f.open()
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer content.Close()
	w.Header().Set("Content-Disposition", "attachment")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	http.ServeContent(w, r, f.name, time.Time{}, content)
}
