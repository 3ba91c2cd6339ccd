package api

// Health says that the process lives.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

// Readiness says whether requests can be served, and by what not.
type Readiness struct {
	Status string               `json:"status" enum:"ready,unready,draining"`
	Parts  map[string]PartState `json:"parts"`
}

// PartState is the last look at one part of the system. MS is how long it took,
// in milliseconds; Error is a class of failure, never a cause.
type PartState struct {
	OK    bool    `json:"ok"`
	MS    int64   `json:"ms"`
	Error *string `json:"error"`
}

// Version says what is running.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	BuiltAt string `json:"built_at"`
	Go      string `json:"go"`
}
