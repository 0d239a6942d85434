package openpgp

import (
	"bytes"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// The library judges a key at the date of the signature, which is what the signer
// says. Here keys are judged at the moment when the message came.

// verdict says who has signed what was read, or why that does not count.
func (k *Keyring) verdict(md *pgp.MessageDetails, signers map[*pgp.Entity]*Key, at time.Time) (*Signature, error) {
	c := k.readConfig(at)
	if err := md.SignatureError; err != nil {
		return k.secondOpinion(md, signers, at, err)
	}
	if md.Signature == nil || md.SignedBy == nil {
		return nil, ErrNotSigned
	}
	key, ok := signers[md.SignedBy.Entity]
	if !ok {
		return nil, ErrUnknownSigner // by an own key
	}
	if err := checkSigner(md.SignedBy, c); err != nil {
		return nil, wrap(err, ErrBadSignature)
	}
	return &Signature{key, md.Signature.CreationTime}, nil
}

// checkSigner reports whether the key that has signed is good now.
func checkSigner(by *pgp.Key, c *packet.Config) error {
	if _, err := by.Entity.VerifyPrimaryKey(c.Now(), c); err != nil {
		return err
	}
	for _, s := range by.Entity.Subkeys {
		if s.PublicKey == by.PublicKey {
			_, err := s.Verify(c.Now(), c)
			return err
		}
	}
	return nil
}

// secondOpinion is for signatures that the library says are not good, because err.
// Whoever extends the life of a key signs it anew, and the older signature is
// dropped (XEP-0373, section 7.2): then the library finds that the key was not
// good yet when it signed what was signed before.
func (k *Keyring) secondOpinion(md *pgp.MessageDetails, signers map[*pgp.Entity]*Key, at time.Time, err error) (
	*Signature, error,
) {
	c := k.readConfig(at)
	for _, cand := range md.SignatureCandidates {
		key, ok := signers[cand.SignedByEntity]
		if !ok || cand.SignedBy != nil || !isWhole(cand) {
			continue
		}
		// What is wrong with the key now says more than what was.
		if _, err := cand.SignedByEntity.VerifyPrimaryKey(c.Now(), c); err != nil {
			return nil, wrap(err, ErrBadSignature)
		}
		if isGoodNow(md, cand, c) {
			return &Signature{key, cand.CorrespondingSig.CreationTime}, nil
		}
	}
	if cand := md.SelectedCandidate; cand != nil && c.RejectMessageHashAlgorithm(cand.HashAlgorithm) {
		return nil, fmt.Errorf("%w: %w", ErrWeak, err)
	}
	return nil, wrap(err, ErrBadSignature)
}

// isWhole reports whether a signature was read up to the question whose it is.
func isWhole(cand *pgp.SignatureCandidate) bool {
	sig := cand.CorrespondingSig
	return sig != nil && sig.Version == 4 && cand.Hash != nil && sig.IssuerKeyId != nil &&
		cand.SigType == sig.SigType && cand.HashAlgorithm == sig.Hash && cand.PubKeyAlgo == sig.PubKeyAlgo &&
		cand.IssuerKeyId == *sig.IssuerKeyId
}

// isGoodNow reports whether the signature is by a key that is good now, and was
// there when it was made.
func isGoodNow(md *pgp.MessageDetails, cand *pgp.SignatureCandidate, c *packet.Config) bool {
	sig := cand.CorrespondingSig
	if _, ok := cand.SignedByEntity.SigningKeyById(sig.CreationTime, cand.IssuerKeyId, c); ok {
		return false // the library has judged it, and not for its key
	}
	key, ok := cand.SignedByEntity.SigningKeyById(c.Now(), cand.IssuerKeyId, c)
	if !ok || sig.CreationTime.Before(key.PublicKey.CreationTime) || sig.SigExpired(c.Now()) ||
		c.RejectMessageHashAlgorithm(sig.Hash) {
		return false
	}
	for _, n := range sig.Notations {
		if n.IsCritical {
			return false
		}
	}
	if md.IsEncrypted && len(sig.IntendedRecipients) > 0 && !isIntended(md, sig) {
		return false
	}
	return key.PublicKey.VerifySignature(cand.Hash, sig) == nil
}

// isIntended reports whether a signature was meant for the key that the message was
// decrypted with.
func isIntended(md *pgp.MessageDetails, sig *packet.Signature) bool {
	for _, r := range sig.IntendedRecipients {
		if bytes.Equal(r.Fingerprint, md.DecryptedWith.Entity.PrimaryKey.Fingerprint) {
			return true
		}
	}
	return false
}
