package enroll

// Guarded and Bare are a cell as a table has it, and back.
var (
	Guarded = guarded
	Bare    = bare
)
