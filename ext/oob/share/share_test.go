package share

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type content struct{ *strings.Reader }

func (content) Close() error { return nil }

func text(s string) func() (io.ReadSeekCloser, error) {
	return func() (io.ReadSeekCloser, error) { return content{strings.NewReader(s)}, nil }
}

func get(t *testing.T, s *Server, method, link string) *http.Response {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, u.RequestURI(), nil))
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The sender acts as a small web server under its own address.
func TestReq_GUIDE_9_oob_3(t *testing.T) {
	t.Run("GUIDE-9-oob-3 shared, fetched, revoked", func(t *testing.T) {
		s := &Server{Base: "http://192.0.2.7:8000/files/"}
		link, revoke, err := s.Share(`C:\letters\letter 1.txt`, text("There's a letter for you, sir"))
		if err != nil || !strings.HasPrefix(link, "http://192.0.2.7:8000/files/") || !strings.HasSuffix(link, "/letter%201.txt") {
			t.Fatalf("%s, %v", link, err)
		}
		r := get(t, s, "GET", link)
		if b := body(t, r); r.StatusCode != 200 || b != "There's a letter for you, sir" {
			t.Errorf("%d, %q", r.StatusCode, b)
		}
		if h := r.Header; h.Get("Content-Disposition") != "attachment" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
			t.Errorf("header %v", h)
		}
		if r := get(t, s, "HEAD", link); r.StatusCode != 200 || r.ContentLength != 29 {
			t.Errorf("HEAD: %d, %d bytes", r.StatusCode, r.ContentLength)
		}
		if r := get(t, s, "POST", link); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: %d", r.StatusCode)
		}
		revoke()
		if r := get(t, s, "GET", link); r.StatusCode != 404 {
			t.Errorf("after that %d", r.StatusCode)
		}
	})
	t.Run("GUIDE-9-oob-3 nothing else is reachable", func(t *testing.T) {
		s := &Server{Base: "http://192.0.2.7:8000/"}
		link, _, err := s.Share("..", text("x"))
		if err != nil || !strings.HasSuffix(link, "/file") {
			t.Fatalf("%s, %v", link, err)
		}
		failing, _, err := s.Share("b", func() (io.ReadSeekCloser, error) { return nil, errors.New("gone") })
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []string{
			strings.TrimSuffix(link, "file"), strings.TrimSuffix(link, "file") + "other", "http://192.0.2.7:8000/", "http://192.0.2.7:8000/file",
			"http://192.0.2.7:8000//file", "http://192.0.2.7:8000/AAAAAAAAAAAAAAAAAAAAAAAAAA/file", "*", failing,
		} {
			if r := get(t, s, "GET", l); r.StatusCode != 404 {
				t.Errorf("%s: %d", l, r.StatusCode)
			}
		}
	})
	t.Run("GUIDE-9-oob-3 it is an option: without an address there is nothing", func(t *testing.T) {
		for _, base := range []string{"", "/files", "http://[", "mailto:x"} {
			if link, _, err := (&Server{Base: base}).Share("a", text("x")); err == nil {
				t.Errorf("base %q gives %s", base, link)
			}
		}
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Base: "http://192.0.2.7/", MaxFiles: 1}
		share := func() (string, error) {
			link, _, err := s.Share("a", text("x"))
			return link, err
		}
		link, err := share()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := share(); err != ErrFull {
			t.Errorf("a second file: %v", err)
		}
		time.Sleep(DefaultLifetime)
		if r := get(t, s, "GET", link); r.StatusCode != 404 {
			t.Errorf("after an hour: %d", r.StatusCode)
		}
		s.Lifetime = -1
		if link, err = share(); err != nil {
			t.Errorf("the first is over: %v", err)
		}
		time.Sleep(1000 * time.Hour)
		if r := get(t, s, "GET", link); r.StatusCode != 200 {
			t.Errorf("without an end: %d", r.StatusCode)
		}
		s.MaxFiles = -1
		for range DefaultMaxFiles + 1 {
			if _, err := share(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
