package openpgp

// Defaults of [Limits].
const (
	DefaultMaxMessage    = 1 << 20
	DefaultMaxPlain      = 1 << 20
	DefaultMaxRecipients = 256
	DefaultMaxSignatures = 16
	DefaultMaxKeyData    = 256 << 10
	DefaultMaxKeys       = 64
)

// Limits bound what is read and written. Zero fields stand for the defaults; a
// negative one for no bound.
type Limits struct {
	// MaxMessage is how many bytes an OpenPGP message or signature may have,
	// default 1 MiB. It is seldom reached: servers bound stanzas.
	MaxMessage int
	// MaxPlain is how many bytes what is signed or encrypted may have, default
	// 1 MiB. A compressed message of a few kilobytes could grow to gigabytes;
	// it is refused when it has grown to this.
	MaxPlain int
	// MaxRecipients is how many keys a message may be encrypted to, default
	// 256. Each of them that does not tell which key it is costs a try.
	MaxRecipients int
	// MaxSignatures is how many signatures there may be, default 16.
	MaxSignatures int
	// MaxKeyData is how many bytes of keys are read, default 256 KiB.
	MaxKeyData int
	// MaxKeys is how many keys are read, default 64.
	MaxKeys int
}

// withDefaults fills in the defaults.
func (l Limits) withDefaults() Limits {
	def := func(n *int, v int) {
		switch {
		case *n == 0:
			*n = v
		case *n < 0:
			*n = 1<<31 - 1
		}
	}
	def(&l.MaxMessage, DefaultMaxMessage)
	def(&l.MaxPlain, DefaultMaxPlain)
	def(&l.MaxRecipients, DefaultMaxRecipients)
	def(&l.MaxSignatures, DefaultMaxSignatures)
	def(&l.MaxKeyData, DefaultMaxKeyData)
	def(&l.MaxKeys, DefaultMaxKeys)
	return l
}
