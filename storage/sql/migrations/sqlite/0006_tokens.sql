-- The tokens with which clients log in again (XEP-0484): one in use, and one that was
-- given last. '' is none. Times are in microseconds of Unix time.
CREATE TABLE login_tokens (
	account       TEXT NOT NULL,
	client        TEXT NOT NULL,    -- the id of its user agent
	expires       INTEGER NOT NULL, -- the last of both
	secret        TEXT NOT NULL,
	mechanism     TEXT NOT NULL,
	until         INTEGER NOT NULL,
	count         INTEGER NOT NULL, -- of attempts; 64 bits without a sign
	new_secret    TEXT NOT NULL,
	new_mechanism TEXT NOT NULL,
	new_until     INTEGER NOT NULL,
	new_count     INTEGER NOT NULL,
	PRIMARY KEY (account, client)
) WITHOUT ROWID;
