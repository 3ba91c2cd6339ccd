package api

// LinkView is what a guest sees of an upload link.
type LinkView struct {
	Slug             string       `json:"slug"`
	Title            string       `json:"title"`
	Message          string       `json:"message"`
	Studio           Studio       `json:"studio"`
	PasswordRequired bool         `json:"password_required"`
	MaxFileBytes     *int64       `json:"max_file_bytes"`
	BytesLeft        *int64       `json:"bytes_left"`
	ExpiresAt        *Time        `json:"expires_at"`
	Mode             string       `json:"mode" enum:"vault,sealed"`
	Sealing          []string     `json:"sealing"`
	AccountKeys      []AccountKey `json:"account_keys"`
	Features         []string     `json:"features"`
}

// Studio names who asks.
type Studio struct {
	Name string `json:"name"`
}

// AccountKey is the public half of an account key; Suite and Public are
// base64url.
type AccountKey struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Suite   string `json:"suite"`
	Public  string `json:"public"`
}

// Start begins a transfer.
type Start struct {
	SenderEmail string `json:"sender_email"`
	SenderName  string `json:"sender_name,omitempty"`
	Message     string `json:"message,omitempty"`
	Password    string `json:"password,omitempty"`
}

// StartOwn begins a transfer of the studio's own.
type StartOwn struct {
	Title   string `json:"title,omitempty"`
	Message string `json:"message,omitempty"`
}

// Started is a transfer that was begun.
type Started struct {
	ID          string `json:"id"`
	UploadToken string `json:"upload_token"`
	State       string `json:"state" enum:"receiving,complete,aborted,expired,deleted,purged"`
	ExpiresAt   Time   `json:"expires_at"`
}

// Declare names files that will be sent, 1 to MaxDeclare.
type Declare struct {
	Files []NewFile `json:"files"`
}

// MaxDeclare is how many files one Declare may name.
const MaxDeclare = 1000

// NewFile is a file of a Declare.
type NewFile struct {
	Path     string `json:"path"`
	Size     Size   `json:"size"`
	Modified *Time  `json:"modified,omitempty"`
	Type     string `json:"type,omitempty"`
}

// Declared are the outcomes of a Declare, both lists in the order asked.
type Declared struct {
	Files  []DeclaredFile `json:"files"`
	Errors []DeclareError `json:"errors"`
}

// DeclaredFile is a file that stands; Index is its place in the Declare, from 0.
type DeclaredFile struct {
	Index int `json:"index"`
	File
}

// DeclareError is a file that does not stand.
type DeclareError struct {
	Index        int    `json:"index"`
	Path         string `json:"path"`
	Code         Code   `json:"code"`
	Detail       string `json:"detail"`
	File         *File  `json:"file,omitempty"`           // path_taken: the one that stands
	MaxFileBytes *int64 `json:"max_file_bytes,omitempty"` // file_too_large
}

// File is a declared file. Received are the recorded part numbers as runs
// [first, last], sorted, disjoint and merged.
type File struct {
	ID        string   `json:"id"`
	Path      string   `json:"path"`
	Size      int64    `json:"size"`
	Modified  *Time    `json:"modified"`
	Type      string   `json:"type"`
	PartSize  int64    `json:"part_size"`
	PartCount int      `json:"part_count"`
	Received  [][2]int `json:"received"`
	State     string   `json:"state" enum:"receiving,sealing,stored,damaged,deleted"`
	CRC32     *CRC32   `json:"crc32"`
	Sealing   string   `json:"sealing" enum:"server,client"`
}

// Files is a page of files.
type Files struct {
	Files      []File  `json:"files"`
	NextCursor *string `json:"next_cursor"`
}

// Part is a recorded part.
type Part struct {
	Number int   `json:"number"`
	Size   int64 `json:"size"`
	CRC32  CRC32 `json:"crc32"`
}

// Parts is a page of parts.
type Parts struct {
	Parts      []Part  `json:"parts"`
	NextCursor *string `json:"next_cursor"`
}

// Receipt acknowledges a part; State is the file's.
type Receipt struct {
	Part
	State string `json:"state" enum:"receiving,sealing,stored,damaged,deleted"`
}

// SealedBytes is the media type of parts that a client sealed itself.
const SealedBytes = "application/vnd.lenzeye.sealed"

// Transfer is one sending of files.
type Transfer struct {
	ID          string     `json:"id"`
	State       string     `json:"state" enum:"receiving,complete,aborted,expired,deleted,purged"`
	SenderEmail string     `json:"sender_email"`
	SenderName  string     `json:"sender_name"`
	Message     string     `json:"message"`
	Files       FileCounts `json:"files"`
	Bytes       ByteCounts `json:"bytes"`
	CreatedAt   Time       `json:"created_at"`
	CompletedAt *Time      `json:"completed_at"`
	ExpiresAt   Time       `json:"expires_at"`
	LinkID      *string    `json:"link_id"`
	Title       string     `json:"title"`
}

// FileCounts counts a transfer's files.
type FileCounts struct {
	Total  int64 `json:"total"`
	Stored int64 `json:"stored"`
}

// ByteCounts counts a transfer's plain bytes.
type ByteCounts struct {
	Declared int64 `json:"declared"`
	Received int64 `json:"received"`
}

// Completed ends a sending: the share to hand on.
type Completed struct {
	Share CompletedShare `json:"share"`
	Files int64          `json:"files"`
	Bytes int64          `json:"bytes"`
}

// CompletedShare is the first share of a transfer. Code has its dash.
type CompletedShare struct {
	ID        string `json:"id"`
	URL       string `json:"url"`
	Code      string `json:"code"`
	ExpiresAt Time   `json:"expires_at"`
}

// Empty is a body without fields.
type Empty struct{}
