package transfer

import (
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
)

// Version of the sealing format that new files get (SPEC.md of internal/seal).
const formatV1 = 1

// Who seals a file's bytes.
const (
	SealingServer = "server"
)

// Transfer states.
const (
	Receiving = "receiving"
	Complete  = "complete"
	Aborted   = "aborted"
	Expired   = "expired"
	Deleted   = "deleted"
	Purged    = "purged"
)

// File states; a file is also Receiving and Deleted.
const (
	Sealing = "sealing"
	Stored  = "stored"
	Damaged = "damaged"
)

// Link states, computed when asked.
const (
	LinkOpen    = "open"
	LinkClosed  = "closed"
	LinkExpired = "expired"
	LinkFull    = "full"
)

// Share states, computed when asked.
const (
	ShareActive  = "active"
	ShareExpired = "expired"
	ShareRevoked = "revoked"
	ShareUsedUp  = "used_up"
)

// States are all states that a transfer may be in.
func States() []string {
	return []string{Receiving, Complete, Aborted, Expired, Deleted, Purged}
}

// fileStates are all states that a file's row may hold.
func fileStates() []string {
	return []string{Receiving, Sealing, Stored, Damaged, Deleted}
}

// Access says for whom a call is made: everything of one account, or, with an
// upload token, one transfer of it. Every query is scoped by it.
type Access struct {
	AccountID  string
	TransferID string // set for an upload token
}

// actor is who events say it was.
func (a Access) actor() string {
	if a.TransferID != "" {
		return account.ActorGuest
	}
	return account.ActorStudio
}

// Client is where a call comes from.
type Client struct {
	IP      string // as events show it
	Subject string // as try limits count it: account.AddressSubject
}

// Link is an upload link of a studio.
type Link struct {
	ID, AccountID, Slug, Title, Message  string
	HasPassword                          bool
	MaxBytes, MaxFileBytes, MaxTransfers *int64
	RetentionDays                        *int64
	ExpiresAt                            *time.Time
	Closed                               bool
	State                                string
	TransfersUsed, ReceivedBytes         int64
	CreatedAt                            time.Time

	bytesHeld    int64
	passwordHash string
	closedAt     *time.Time
}

// LinkFields are what a studio sets when it makes a link. An empty Slug is
// generated with 80 random bits; an empty Password is none.
type LinkFields struct {
	Slug, Title, Message, Password       string
	MaxBytes, MaxFileBytes, MaxTransfers *int64
	RetentionDays                        *int64
	ExpiresAt                            *time.Time
}

// Field is one field of a merge patch: left alone unless Set, cleared when Value
// is the zero value of a nullable one (a nil pointer, an empty string).
type Field[T any] struct {
	Set   bool
	Value T
}

// LinkPatch changes a link.
type LinkPatch struct {
	Slug, Title, Message, Password       Field[string]
	MaxBytes, MaxFileBytes, MaxTransfers Field[*int64]
	RetentionDays                        Field[*int64]
	ExpiresAt                            Field[*time.Time]
	Closed                               Field[bool]
}

// LinkView is what a guest sees of a link before sending.
type LinkView struct {
	Link        Link
	StudioName  string
	Mode        string // of the account: vault | sealed
	BytesLeft   *int64 // nil: no limit is known
	AccountKeys []account.PublicKey
}

// NewTransfer is what a guest says when starting one.
type NewTransfer struct {
	SenderEmail, SenderName, Message, Password string
	IdempotencyKey                             []byte // 32 bytes, or nil
	Language                                   string // of the guest's pages and mail
	Client                                     Client
}

// OwnTransfer is what a studio says when it starts a transfer of its own.
type OwnTransfer struct {
	Title, Message string
	IdempotencyKey []byte
	Client         Client
}

// Started is a transfer just made, or the same one again.
type Started struct {
	Transfer    Transfer
	UploadToken string
}

// Transfer is one sending of files.
type Transfer struct {
	ID, AccountID, LinkID            string
	Title                            string
	SenderEmail, SenderName, Message string
	State                            string
	FilesTotal, FilesStored          int64
	BytesDeclared, BytesReceived     int64
	CreatedAt                        time.Time
	CompletedAt                      *time.Time
	ExpiresAt                        time.Time
	LastPartAt                       time.Time  // when a part came last, or when it was made
	RestoreUntil                     *time.Time // until when its delete can be undone
}

// Search narrows a list of transfers.
type Search struct {
	Text   string   // in the title, the sender or the names of files; "" is any
	States []string // none is any
}

// NewFile is one file of a declare.
type NewFile struct {
	Path     string
	Size     int64
	Modified *time.Time // to the millisecond
	Type     string
}

// Range is a run of part numbers, both ends included.
type Range struct{ First, Last int }

// File is a declared file.
type File struct {
	ID, TransferID, AccountID string
	Position                  int64
	Path                      string
	Size                      int64
	Modified                  *time.Time
	Type                      string
	PartSize                  int64
	PartCount                 int
	Received                  []Range // sorted, disjoint, merged
	State                     string
	CRC32                     *uint32 // once stored
	Sealing                   string

	pathKey     []byte
	partsStored int
	uploadGen   int64
	blobKey     string
	uploadID    string
	looks       int64
	createdAt   time.Time
	storedAt    *time.Time
}

// Declared are the outcomes of a declare, in the order asked: for each file
// exactly one of Files and Errors has an entry with its index.
type Declared struct {
	Files  []DeclaredFile
	Errors []DeclareError
}

// DeclaredFile is a file that stands.
type DeclaredFile struct {
	Index int
	File  File
}

// DeclareError is a file that does not stand. Err is one of the package's
// errors; Existing is the file in the way of ErrPathTaken.
type DeclareError struct {
	Index    int
	Path     string
	Err      error
	Existing *File
}

// Part is a recorded part.
type Part struct {
	Number int
	Size   int64
	CRC32  uint32
}

// Receipt answers a part: what is recorded and the file's state then.
type Receipt struct {
	Part  Part
	State string
}

// Completed is what completing a transfer gives the guest.
type Completed struct {
	Share Share
	Token string // of the share, for its URL
	Code  string // 8 digits, without dash
	Files int64
	Bytes int64
}

// Share is a download link.
type Share struct {
	ID, TransferID, AccountID string
	State                     string
	Token                     string // only where it can still be known
	ExpiresAt                 time.Time
	MaxDownloads              *int64
	Downloads                 int64
	Recipients                []string
	CreatedAt                 time.Time
}

// NewShare is what a studio sets when it makes a share. An empty Code is
// generated.
type NewShare struct {
	Code         string
	ExpiresAt    *time.Time
	MaxDownloads *int64
	Recipients   []string
	Client       Client
}

// Unlocked is what a right code gives.
type Unlocked struct {
	Token     string // lzd_…
	ExpiresAt time.Time
}

// ShareAccess is the right to fetch what one share shows.
type ShareAccess struct {
	ShareID, TransferID, AccountID string
	ExpiresAt                      time.Time
}

// ShareView is a page of what a share shows.
type ShareView struct {
	Title, SenderName      string
	Files                  []File
	TotalFiles, TotalBytes int64
	ExpiresAt              time.Time
	Next                   string
}
