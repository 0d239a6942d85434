// Package offline implements storage of messages for users who are not there (XEP-0160).
package offline
