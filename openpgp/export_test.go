package openpgp

// GenerateAt makes a key at a moment.
var GenerateAt = generate
