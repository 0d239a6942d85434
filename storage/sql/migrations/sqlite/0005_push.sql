-- What is to be told when something has come for an account (XEP-0357).
CREATE TABLE push_devices (
	account TEXT PRIMARY KEY,
	devices TEXT NOT NULL -- as push.Devices.MarshalText has it
) WITHOUT ROWID;
