// Package expatdiff compares the scanner of the SDK with libexpat, the parser behind
// most XMPP servers, in acceptance and in what they see. It has tests only, which need
// cgo and libexpat (Debian: libexpat1-dev):
//
//	go test -tags expat ./expatdiff
//	go test -tags expat ./expatdiff -run TestMutations -mutations 1000000 -seed 7
//	go test -tags expat ./expatdiff -run '^$' -fuzz FuzzExpat -parallel 1
//
// An input that one takes and the other refuses is a fault, unless it is among the
// differences that are meant, which the function excused has in full.
package expatdiff
