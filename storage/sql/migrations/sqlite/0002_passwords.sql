-- The password itself, for the digest of jabber:iq:auth; '' if it is not kept.
ALTER TABLE accounts ADD COLUMN password TEXT NOT NULL DEFAULT '';
