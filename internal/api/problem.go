package api

// Problem is an answer that says what went wrong (RFC 9457). The fields after
// RequestID come with some codes only.
type Problem struct {
	Type      string `json:"type"` // urn:lenzeye:problem:<code>
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      Code   `json:"code"`
	RequestID string `json:"request_id"`

	Field           string         `json:"field,omitempty"`            // json_invalid, query_invalid, field_invalid
	Expected        *int64         `json:"expected,omitempty"`         // part_size_mismatch: bytes
	BytesLeft       *int64         `json:"bytes_left,omitempty"`       // quota_exceeded
	MaxFileBytes    *int64         `json:"max_file_bytes,omitempty"`   // file_too_large
	TriesLeft       *int           `json:"tries_left,omitempty"`       // code_wrong when signing in
	File            *File          `json:"file,omitempty"`             // path_taken: the one that stands
	Errors          []DeclareError `json:"errors,omitempty"`           // a declare of which nothing stands
	UnfinishedCount *int64         `json:"unfinished_count,omitempty"` // transfer_incomplete
	Files           []File         `json:"files,omitempty"`            // transfer_incomplete: the first hundred
}

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// Error makes a Problem an error for clients.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return string(p.Code)
	}
	return string(p.Code) + ": " + p.Detail
}
