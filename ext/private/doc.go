// Package private implements private XML storage (XEP-0049).
package private
