package mail

import (
	"errors"
	"time"
)

// Kind says which message it is: the catalogue's keys begin with mail. and the
// kind.
type Kind string

// Kinds of messages.
const (
	// TransferComplete tells the studio that a transfer is all there.
	TransferComplete Kind = "transfer_complete"
	// TransferReceipt tells the sender what arrived. URL is the download link;
	// the code is never mailed with it.
	TransferReceipt Kind = "transfer_receipt"
	// TransferStalled tells the studio that nothing comes any more of a transfer
	// that is not done.
	TransferStalled Kind = "transfer_stalled"
	// TransferExpiring tells the studio that a complete transfer ends soon.
	TransferExpiring Kind = "transfer_expiring"
	// ShareFetched tells the studio that files were downloaded, Times in all.
	ShareFetched Kind = "share_fetched"
	// SignIn brings a studio the Code to sign in with; URL is the page that does
	// it. After ExpiresAt it is not sent any more.
	SignIn Kind = "sign_in"
	// FileDamaged tells the studio that stored files cannot be read, Times in all.
	FileDamaged Kind = "file_damaged"
	// DamageReport tells the operator of it. Title is the transfer's id.
	DamageReport Kind = "damage_report"
)

// Kinds are all kinds that Queue takes.
func Kinds() []Kind {
	return []Kind{TransferComplete, TransferReceipt, TransferStalled, TransferExpiring, ShareFetched, SignIn, FileDamaged, DamageReport}
}

// MaxListed is how many files a message lists by name. Of longer lists Queue
// keeps the first ones and the message says how many more there are.
const MaxListed = 100

// Vars are what a message says. Empty ones are left out of it. They are kept as
// JSON, so a field is added, never renamed.
type Vars struct {
	Studio    string     `json:"studio,omitempty"`  // the studio's name
	Sender    string     `json:"sender,omitempty"`  // name or address of who sent the files
	Title     string     `json:"title,omitempty"`   // of the link or the transfer
	Message   string     `json:"message,omitempty"` // the sender's words
	URL       string     `json:"url,omitempty"`     // where to go on
	Code      string     `json:"code,omitempty"`    // that the recipient types in
	Count     int64      `json:"count"`             // files in all
	Bytes     int64      `json:"bytes"`             // plain bytes in all
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Times     int64      `json:"times,omitempty"` // downloads or damaged files in all
	Files     []File     `json:"files,omitempty"` // the first of them
}

// File is a line of a message's list.
type File struct {
	Path string `json:"path"`
	Size int64  `json:"size"` // plain bytes
}

// Message is one to be queued.
type Message struct {
	AccountID  string
	Kind       Kind
	SubjectKey string // what it is about and for whom; one row is queued of each
	Recipient  string // one address
	Language   string // BCP 47; "" or unknown is the catalogue's own choice
	Vars       Vars
}

// Envelope is a finished message, as a driver gets it.
type Envelope struct {
	ID        string // of the row
	Key       string // UUID; the same at a repeat, unless the try before it was ErrNotTaken
	MessageID string // without angle brackets; the same at every repeat
	From      string // an address, with or without a name
	To        string // one address
	Subject   string // one line
	Text      string // lines end with \n
	HTML      string
	Code      string // of Vars
	Date      time.Time
}

// ErrRefused is what a driver's error is when no repeat will help: the
// recipient does not exist, the message is not acceptable.
var ErrRefused = errors.New("the mail was refused for good")

// ErrNotTaken is what a driver's error is when the other side has said that it
// did not take the message. Without it a try may have reached somebody.
var ErrNotTaken = errors.New("not taken")
