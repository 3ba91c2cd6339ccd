package blob

// Op names a step of a Store, for Observe and for the memory store's faults.
type Op string

// The steps of a Store. OpRead is one Read of what Range opened; Observe is
// not told of it.
const (
	OpPut          Op = "put"
	OpHead         Op = "head"
	OpRange        Op = "range"
	OpRead         Op = "read"
	OpDelete       Op = "delete"
	OpList         Op = "list"
	OpCheck        Op = "check"
	OpCreateUpload Op = "create_upload"
	OpPutPart      Op = "put_part"
	OpParts        Op = "parts"
	OpComplete     Op = "complete"
	OpAbort        Op = "abort"
	OpUploads      Op = "uploads"
)

// When says on which side of a step a fault strikes.
type When string

// Before a step: it does not happen. After a step: it happened, and the caller
// never learns of it. After is not reached when the step itself failed.
const (
	Before When = "before"
	After  When = "after"
)
