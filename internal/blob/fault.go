package blob

// Op names a step of a Store, for Observe and WithFaults.
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

// WithFaults is the same store, whatever its kind, with steps that fail as a test
// wants it. strike is called before and after each step, without a lock held, and
// may block. An error before a step replaces it; one after it replaces its answer:
// the step was done and the caller does not know. An error outside the package's
// classes becomes ErrUnavailable. Both stores are one: closing either closes both.
func (s *Store) WithFaults(strike func(op Op, when When) error) *Store {
	faulty := *s
	faulty.fault = strike
	return &faulty
}
