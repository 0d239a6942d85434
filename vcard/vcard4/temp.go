package vcard4

import (
	"math"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
)

// Temp returns the card as vcard-temp, which is [FromTemp] the other way round. Of
// what can be there once the preferred one is taken. The others, and what
// vcard-temp has no field for, are kept as they are in Other, where FromTemp finds
// them again. Lost are the parameters of the properties that are converted,
// but for types and preference.
func (c *Card) Temp() *vcard.Card {
	t := new(vcard.Card)
	rest := Card{
		Source: c.Source, Kind: c.Kind, Anniversary: c.Anniversary, Gender: c.Gender, Languages: c.Languages,
		Members: c.Members, FreeBusy: c.FreeBusy, CalendarAddress: c.CalendarAddress, Calendars: c.Calendars,
	}
	take(c.FormattedName, &rest.FormattedName, setString(&t.FormattedName))
	c.tempName(t)
	t.Nickname = vcard.JoinList(all(c.Nicknames)...)
	take(c.Photos, &rest.Photos, setMedia(&t.Photo))
	take(c.Logos, &rest.Logos, setMedia(&t.Logo))
	t.Birthday = tempDate(c.Birthday)
	c.tempContact(t, &rest)
	take(c.Titles, &rest.Titles, setString(&t.Title))
	take(c.Roles, &rest.Roles, setString(&t.Role))
	take(c.Organizations, &rest.Organizations, func(v *Value) bool {
		t.Org = vcard.Organization{Name: v.Values[0], Units: v.Values[1:]}
		return true
	})
	take(c.Related, &rest.Related, func(v *Value) bool {
		if !v.Has("agent") || v.Type != "uri" {
			return false
		}
		t.Agent = &vcard.Agent{URI: v.String()}
		return true
	})
	t.Categories = all(c.Categories)
	c.tempNotes(t, &rest)
	t.ProductID = c.ProductID
	t.Revised = tempStamp(c.Revision)
	take(c.Sounds, &rest.Sounds, func(v *Value) bool {
		var m vcard.Media
		ok := setMedia(&m)(v)
		t.Sound = vcard.Sound{Data: m.Data, URI: m.URI}
		return ok
	})
	t.UID = c.UID.String()
	take(c.URLs, &rest.URLs, setString(&t.URL))
	take(c.Keys, &rest.Keys, func(v *Value) bool {
		if v.Type != "text" {
			return false
		}
		t.Key = vcard.Key{Type: v.MediaType, Credential: v.String()}
		return true
	})
	t.Other = parts(&rest)
	c.restore(t)
	return t
}

// take hands the values to set, the preferred one first, until one is taken. What
// is not taken is added to rest.
func take(values []Value, rest *[]Value, set func(*Value) bool) {
	best := Preferred(values)
	taken := best != nil && best.String() != "" && set(best)
	for i := range values {
		v := &values[i]
		switch {
		case v == best && taken:
		case !taken && v != best && v.String() != "" && set(v):
			taken = true
		default:
			*rest = append(*rest, *v)
		}
	}
}

func setString(to *string) func(*Value) bool {
	return func(v *Value) bool {
		*to = v.String()
		return true
	}
}

func setMedia(to *vcard.Media) func(*Value) bool {
	return func(v *Value) bool {
		if contentType, data, ok := ParseDataURI(v.String()); ok {
			*to = vcard.Media{Type: contentType, Data: data}
			return len(data) > 0
		}
		*to = vcard.Media{URI: v.String()}
		return true
	}
}

// all returns the values of all properties.
func all(list []Value) (values []string) {
	for _, v := range list {
		values = append(values, v.Values...)
	}
	return values
}

func (c *Card) tempName(t *vcard.Card) {
	n := c.Name
	if n == nil {
		return
	}
	t.Name = vcard.Name{
		Family: vcard.JoinList(n.Surname...), Given: vcard.JoinList(n.Given...), Middle: vcard.JoinList(n.Additional...),
		Prefix: vcard.JoinList(n.Prefix...), Suffix: vcard.JoinList(n.Suffix...),
	}
	t.SortString = strings.Join(n.SortAs, ",")
}

func (c *Card) tempContact(t *vcard.Card, rest *Card) {
	for i := range c.Addresses {
		a := &c.Addresses[i]
		flags := flagsOf(&a.Params)
		t.Addresses = append(t.Addresses, vcard.Address{
			Flags: flags,
			POBox: vcard.JoinList(a.POBox...), Extended: vcard.JoinList(a.Extended...), Street: vcard.JoinList(a.Street...),
			Locality: vcard.JoinList(a.Locality...), Region: vcard.JoinList(a.Region...), Code: vcard.JoinList(a.Code...),
			Country: vcard.JoinList(a.Country...),
		})
		if a.Label != "" {
			t.Labels = append(t.Labels, vcard.Label{Flags: flags, Lines: strings.Split(a.Label, "\n")})
		}
	}
	for i := range c.Phones {
		v := &c.Phones[i]
		number := strings.TrimPrefix(v.String(), "tel:")
		t.Phones = append(t.Phones, vcard.Phone{Flags: flagsOf(&v.Params), Number: number})
	}
	for i := range c.Emails {
		v := &c.Emails[i]
		t.Emails = append(t.Emails, vcard.Email{Flags: flagsOf(&v.Params) | vcard.Internet, Address: v.String()})
	}
	take(c.IMPP, &rest.IMPP, func(v *Value) bool {
		u, err := jid.ParseURI(v.String())
		if err != nil || u.JID.IsZero() || !strings.HasPrefix(strings.ToLower(v.String()), "xmpp:") {
			return false
		}
		t.JabberID = u.JID.String()
		return true
	})
	take(c.TimeZones, &rest.TimeZones, func(v *Value) bool {
		t.TimeZone = tempZone(v)
		return true
	})
	take(c.Geo, &rest.Geo, func(v *Value) bool {
		t.Geo = tempGeo(v.String())
		return t.Geo != nil
	})
}

// tempGeo reads a URI of RFC 5870, geo:lat,lon, without what may follow.
func tempGeo(uri string) *vcard.Geo {
	s, ok := strings.CutPrefix(uri, "geo:")
	s, _, _ = strings.Cut(s, ";")
	lat, lon, ok2 := strings.Cut(s, ",")
	lon, _, _ = strings.Cut(lon, ",") // an altitude
	y, err1 := strconv.ParseFloat(lat, 64)
	x, err2 := strconv.ParseFloat(lon, 64)
	if !ok || !ok2 || err1 != nil || err2 != nil || !(math.Abs(y) <= 90 && math.Abs(x) <= 180) {
		return nil
	}
	return &vcard.Geo{Lat: y, Lon: x}
}

// tempNotes makes the first note NOTE, and the second DESC.
func (c *Card) tempNotes(t *vcard.Card, rest *Card) {
	for _, v := range c.Notes {
		switch {
		case t.Note == "":
			t.Note = v.String()
		case t.Description == "":
			t.Description = v.String()
		default:
			rest.Notes = append(rest.Notes, v)
		}
	}
}

// restore takes back what FromTemp has kept, and keeps what else there is.
func (c *Card) restore(t *vcard.Card) {
	for _, raw := range c.Other {
		e, err := raw.Element()
		if err != nil {
			continue
		}
		if e.Name().Space != vcard.NS || !t.Add(e) {
			t.Other = append(t.Other, raw)
		}
	}
}

var _ stanza.Payload = (*Card)(nil)
