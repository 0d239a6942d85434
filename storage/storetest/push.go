package storetest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
)

// pushField puts the value into an option.
func pushField(s push.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			return s.UpdateDevices(ctx, account, func(all *push.Devices) error {
				*all = devicesOf(value)
				return nil
			})
		},
		get: func(ctx context.Context, account jid.JID) (string, error) {
			all, err := s.Devices(ctx, account)
			if err != nil || len(all) == 0 {
				return "", err
			}
			return all[0].Options[0].Text(), nil
		},
		remove: s.RemoveAccount,
	}
}

// devicesOf returns devices with these secrets.
func devicesOf(secrets ...string) (all push.Devices) {
	for i, secret := range secrets {
		all = append(all, push.Device{
			Registration: push.Registration{
				Service: jid.MustParse("push.capulet.example"), Node: fmt.Sprint("node ", i),
				Options: []form.Field{push.Secret(secret)},
			},
			Resource: "balcony", Enabled: noon,
		})
	}
	return all
}

// RunPush tests a [push.Store].
func RunPush(t *testing.T, open func(t *testing.T) push.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return pushField(open(t)) })
	})
	for name, test := range map[string]func(*testing.T, pushTest){
		"all of the devices come back":    pushWhole,
		"errors change nothing":           pushError,
		"a panic changes nothing":         pushPanic,
		"updates at once":                 pushAtOnce,
		"the store has a copy of its own": pushCopies,
		"none are as good as nothing":     pushNone,
	} {
		t.Run(name, func(t *testing.T) { test(t, pushTest{open(t)}) })
	}
}

// pushTest has what the tests of a push.Store share.
type pushTest struct{ push.Store }

func (s pushTest) set(t *testing.T, account jid.JID, all push.Devices) {
	t.Helper()
	err := s.UpdateDevices(t.Context(), account, func(d *push.Devices) error {
		*d = all
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wants checks what is there, and what an update gets.
func (s pushTest) wants(t *testing.T, account jid.JID, want push.Devices) {
	t.Helper()
	got, err := s.Devices(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	sameDevices(t, got, want)
	err = s.UpdateDevices(t.Context(), account, func(d *push.Devices) error {
		sameDevices(t, *d, want)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sameDevices(t *testing.T, got, want push.Devices) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %.1000q, want %.1000q", fmt.Sprint(got), fmt.Sprint(want))
	}
}

func pushWhole(t *testing.T, s pushTest) {
	s.wants(t, juliet, nil)
	var all push.Devices
	for i, service := range contacts() {
		d := push.Device{
			Registration: push.Registration{Service: service, Node: fmt.Sprintf("'<&>\" %d", i)},
			Resource:     service.Resource(), Enabled: noon.Add(time.Duration(i) * time.Millisecond),
		}
		for name, text := range texts() {
			if name != "large" {
				d.Options = append(d.Options, form.Field{Var: name, Type: form.TextSingle, Values: []string{text, ""}})
			}
		}
		all = append(all, d)
	}
	all = append(all, push.Device{ // as empty as can be
		Registration: push.Registration{Service: nurse}, Enabled: time.Date(1999, 1, 4, 0, 0, 0, 0, time.UTC),
	})
	s.set(t, juliet, all)
	s.wants(t, juliet, all)
	s.set(t, nurse, all[:1])
	s.wants(t, nurse, all[:1])
	s.wants(t, juliet, all)
}

func pushError(t *testing.T, s pushTest) {
	before := devicesOf("a", "b")
	s.set(t, juliet, before.Clone())
	for account, want := range map[jid.JID]push.Devices{juliet: before, nurse: nil} {
		err := s.UpdateDevices(t.Context(), account, func(d *push.Devices) error {
			for i := range *d {
				(*d)[i].Options[0].Values[0] = "changed"
			}
			*d = append(*d, devicesOf("c")...)
			return errRefused
		})
		if err != errRefused { // as it is, not wrapped
			t.Errorf("got %v", err)
		}
		s.wants(t, account, want)
	}
}

func pushPanic(t *testing.T, s pushTest) {
	before := devicesOf("a")
	s.set(t, juliet, before.Clone())
	func() {
		defer func() {
			if v := recover(); v != errRefused {
				t.Errorf("recovered %v", v)
			}
		}()
		s.UpdateDevices(t.Context(), juliet, func(d *push.Devices) error {
			(*d)[0].Node = "changed"
			panic(errRefused)
		})
	}()
	s.wants(t, juliet, before)
}

func pushAtOnce(t *testing.T, s pushTest) {
	const callers, each = 8, 10
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				err := s.UpdateDevices(t.Context(), juliet, func(d *push.Devices) error {
					*d = append(*d, push.Device{
						Registration: push.Registration{Service: nurse, Node: fmt.Sprint(len(*d))}, Enabled: noon,
					})
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := s.Devices(t.Context(), juliet)
	if err != nil || len(all) != callers*each {
		t.Fatalf("%d devices, %v", len(all), err)
	}
	for i, d := range all {
		if d.Node != fmt.Sprint(i) {
			t.Fatalf("update %d did not see the one before", i)
		}
	}
}

func pushCopies(t *testing.T, s pushTest) {
	given := devicesOf("a", "b")
	s.set(t, juliet, given)
	given[0].Options[0].Values[0], given[1].Node = "changed", "changed"
	s.wants(t, juliet, devicesOf("a", "b"))
	before, err := s.Devices(t.Context(), juliet)
	if err != nil {
		t.Fatal(err)
	}
	err = s.UpdateDevices(t.Context(), juliet, func(d *push.Devices) error {
		(*d)[0].Options[0].Values[0] = strings.Repeat("x", 10)
		*d = (*d)[:1]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sameDevices(t, before, devicesOf("a", "b")) // what was read before does not change
	s.wants(t, juliet, devicesOf("xxxxxxxxxx"))
}

func pushNone(t *testing.T, s pushTest) {
	s.set(t, juliet, devicesOf("a"))
	s.set(t, juliet, push.Devices{})
	s.wants(t, juliet, nil)
	s.set(t, juliet, nil)
	s.wants(t, juliet, nil)
	s.set(t, juliet, devicesOf("b"))
	s.wants(t, juliet, devicesOf("b"))
}
