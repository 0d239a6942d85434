package certid

import (
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"slices"
)

// kind is the type of an identifier.
type kind uint8

const (
	other kind = iota // of no meaning here
	dnsID
	srvID
	xmppAddr
	ipID
)

// identifier is one that a certificate presents. Its value is as the certificate has it: a name may hold any octet.
type identifier struct {
	kind  kind
	value []byte // the text, or the 4 or 16 octets of an IP address; part of the certificate
}

// maxNames is how many entries a subjectAltName may have. Public authorities put in some hundred at most.
const maxNames = 4096

// identifiers returns what leaf presents. The error is a [*MalformedError].
func identifiers(leaf *x509.Certificate) ([]identifier, error) {
	var ids []identifier
	found := false
	for _, ext := range leaf.Extensions {
		if !ext.Id.Equal(oidSAN) {
			continue
		}
		if found {
			return nil, &MalformedError{"there is more than one"}
		}
		found = true
		var err error
		if ids, err = parseSAN(ext.Value); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// parseSAN reads the value of a subjectAltName, GeneralNames (RFC 5280 section 4.2.1.6). Its structure must be right
// to the last octet; the error is a [*MalformedError], and the identifiers are those before it. What is in a text is
// not checked: one that is not what it should be is not equal to anything.
func parseSAN(der []byte) ([]identifier, error) {
	names, ok := readAll(der)
	if !ok || names.Class != asn1.ClassUniversal || names.Tag != asn1.TagSequence || !names.IsCompound {
		return nil, &MalformedError{"it is not a sequence"}
	}
	var ids []identifier
	for rest := names.Bytes; len(rest) > 0; {
		var name asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &name); err != nil {
			return ids, &MalformedError{"an entry is not DER"}
		}
		if len(ids) == maxNames {
			return ids, &MalformedError{"it has too many entries"}
		}
		id, reason := parseName(name)
		if reason != "" {
			return ids, &MalformedError{reason}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// The tags of GeneralName (RFC 5280 section 4.2.1.6).
const (
	tagOtherName    = 0
	tagDNSName      = 2
	tagX400         = 3
	tagDirectory    = 4
	tagEDIParty     = 5
	tagIPAddress    = 7
	tagRegisteredID = 8 // the last one
)

// parseName reads a GeneralName. It returns a reason if that is malformed.
func parseName(name asn1.RawValue) (id identifier, reason string) {
	if name.Class != asn1.ClassContextSpecific || name.Tag > tagRegisteredID {
		return identifier{}, "an entry has a type that does not exist"
	}
	compound := []int{tagOtherName, tagX400, tagDirectory, tagEDIParty}
	if name.IsCompound != slices.Contains(compound, name.Tag) {
		return identifier{}, "an entry has an encoding that is not one of its type"
	}
	switch name.Tag {
	case tagOtherName:
		return parseOtherName(name.Bytes)
	case tagDNSName:
		return identifier{dnsID, name.Bytes}, ""
	case tagIPAddress:
		if _, ok := netip.AddrFromSlice(name.Bytes); !ok {
			return identifier{}, "an IP address has neither 4 nor 16 octets"
		}
		return identifier{ipID, name.Bytes}, ""
	}
	return identifier{}, ""
}

// otherNames are those that have a meaning here, and the type of string that each must hold.
var otherNames = []struct {
	oid    asn1.ObjectIdentifier
	string int
	kind   kind
}{
	{oidDNSSRV, asn1.TagIA5String, srvID},
	{oidXMPPAddr, asn1.TagUTF8String, xmppAddr},
}

// parseOtherName reads the content of an otherName, a type-id and a value that is tagged with [0]. A known type-id with
// another type of string than its own is of no meaning.
func parseOtherName(der []byte) (id identifier, reason string) {
	const malformed = "an otherName is not a type and a value"
	var oid, tagged asn1.RawValue
	rest, err := asn1.Unmarshal(der, &oid)
	if err != nil || oid.Class != asn1.ClassUniversal || oid.Tag != asn1.TagOID || oid.IsCompound {
		return identifier{}, malformed
	}
	tagged, ok := readAll(rest)
	if !ok || tagged.Class != asn1.ClassContextSpecific || tagged.Tag != 0 || !tagged.IsCompound {
		return identifier{}, malformed
	}
	value, ok := readAll(tagged.Bytes)
	if !ok {
		return identifier{}, malformed
	}
	var typeID asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(oid.FullBytes, &typeID); err != nil {
		return identifier{}, "" // an arc too large for an int: none of ours
	}
	for _, o := range otherNames {
		if o.oid.Equal(typeID) && value.Class == asn1.ClassUniversal && value.Tag == o.string && !value.IsCompound {
			return identifier{o.kind, value.Bytes}, ""
		}
	}
	return identifier{}, ""
}

// readAll reads the one element that der must be.
func readAll(der []byte) (v asn1.RawValue, ok bool) {
	rest, err := asn1.Unmarshal(der, &v)
	return v, err == nil && len(rest) == 0
}
