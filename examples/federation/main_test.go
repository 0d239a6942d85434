package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	if err := run(ctx, &out); err != nil {
		t.Fatal(err)
	}
	want := "juliet@capulet.example hears from romeo@montague.example: What light through yonder window breaks?\n" +
		"romeo@montague.example hears from juliet@capulet.example: Ay me!\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", &out, want)
	}
}

// TestRunEnds: it does not wait for ever.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, t.Output()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
