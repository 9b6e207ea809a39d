package virtualcard

// Parsers that are fuzzed.
var (
	ParseState = parseState
	OfferT1    = offerT1
)
