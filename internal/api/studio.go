package api

// Me is the account of the caller.
type Me struct {
	ID            string `json:"id"`
	Email         string `json:"email"`
	Name          string `json:"name"`
	Role          string `json:"role"`
	Mode          string `json:"mode" enum:"vault,sealed"`
	QuotaBytes    *int64 `json:"quota_bytes"`
	UsedBytes     int64  `json:"used_bytes"`
	ReservedBytes int64  `json:"reserved_bytes"`
}

// MePatch changes the account.
type MePatch struct {
	Name Patch[string] `json:"name,omitzero"`
}

// Link is an upload link.
type Link struct {
	ID            string `json:"id"`
	Slug          string `json:"slug"`
	URL           string `json:"url"`
	Title         string `json:"title"`
	Message       string `json:"message"`
	HasPassword   bool   `json:"has_password"`
	MaxBytes      *int64 `json:"max_bytes"`
	MaxFileBytes  *int64 `json:"max_file_bytes"`
	MaxTransfers  *int64 `json:"max_transfers"`
	RetentionDays *int64 `json:"retention_days"`
	ExpiresAt     *Time  `json:"expires_at"`
	Closed        bool   `json:"closed"`
	State         string `json:"state" enum:"open,closed,expired,full"`
	Transfers     int64  `json:"transfers"`
	ReceivedBytes int64  `json:"received_bytes"`
	CreatedAt     Time   `json:"created_at"`
}

// Links is a page of links.
type Links struct {
	Links      []Link  `json:"links"`
	NextCursor *string `json:"next_cursor"`
}

// NewLink makes a link. Without a slug one is generated.
type NewLink struct {
	Slug          string `json:"slug,omitempty"`
	Title         string `json:"title,omitempty"`
	Message       string `json:"message,omitempty"`
	Password      string `json:"password,omitempty"`
	MaxBytes      *Int   `json:"max_bytes,omitempty"`
	MaxFileBytes  *Int   `json:"max_file_bytes,omitempty"`
	MaxTransfers  *Int   `json:"max_transfers,omitempty"`
	RetentionDays *Int   `json:"retention_days,omitempty"`
	ExpiresAt     *Time  `json:"expires_at,omitempty"`
}

// LinkPatch changes a link.
type LinkPatch struct {
	Slug          Patch[string] `json:"slug,omitzero"`
	Title         Patch[string] `json:"title,omitzero"`
	Message       Patch[string] `json:"message,omitzero"`
	Password      Patch[string] `json:"password,omitzero"`
	MaxBytes      Patch[Int]    `json:"max_bytes,omitzero"`
	MaxFileBytes  Patch[Int]    `json:"max_file_bytes,omitzero"`
	MaxTransfers  Patch[Int]    `json:"max_transfers,omitzero"`
	RetentionDays Patch[Int]    `json:"retention_days,omitzero"`
	ExpiresAt     Patch[Time]   `json:"expires_at,omitzero"`
	Closed        Patch[bool]   `json:"closed,omitzero"`
}

// Transfers is a page of transfers.
type Transfers struct {
	Transfers  []Transfer `json:"transfers"`
	NextCursor *string    `json:"next_cursor"`
}

// TransferPatch changes a transfer.
type TransferPatch struct {
	ExpiresAt Patch[Time] `json:"expires_at,omitzero"`
}

// Share is a download link. URL is null where its token is no longer known, as
// for a guest's own; Code, with its dash, comes only when the share is made.
type Share struct {
	ID           string   `json:"id"`
	URL          *string  `json:"url"`
	State        string   `json:"state" enum:"active,expired,revoked,used_up"`
	ExpiresAt    Time     `json:"expires_at"`
	MaxDownloads *int64   `json:"max_downloads"`
	Downloads    int64    `json:"downloads"`
	Recipients   []string `json:"recipients"`
	CreatedAt    Time     `json:"created_at"`
	Code         string   `json:"code,omitempty"`
}

// Shares is a page of shares.
type Shares struct {
	Shares     []Share `json:"shares"`
	NextCursor *string `json:"next_cursor"`
}

// NewShare makes a share. Without a code one is generated.
type NewShare struct {
	Code         string   `json:"code,omitempty"`
	ExpiresAt    *Time    `json:"expires_at,omitempty"`
	MaxDownloads *Int     `json:"max_downloads,omitempty"`
	Recipients   []string `json:"recipients,omitempty"`
}

// Token is an API token. Token comes only when it is made.
type Token struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	CreatedAt  Time   `json:"created_at"`
	LastUsedAt *Time  `json:"last_used_at"`
	ExpiresAt  *Time  `json:"expires_at"`
	Token      string `json:"token,omitempty"`
}

// Tokens is a page of API tokens.
type Tokens struct {
	Tokens     []Token `json:"tokens"`
	NextCursor *string `json:"next_cursor"`
}

// NewToken makes an API token.
type NewToken struct {
	Name      string `json:"name,omitempty"`
	ExpiresAt *Time  `json:"expires_at,omitempty"`
}

// Event tells what happened to an account's things.
type Event struct {
	ID         string         `json:"id"`
	At         Time           `json:"at"`
	Kind       string         `json:"kind"`
	Actor      string         `json:"actor" enum:"guest,studio,system"`
	IP         string         `json:"ip"`
	TransferID *string        `json:"transfer_id"`
	ShareID    *string        `json:"share_id"`
	FileID     *string        `json:"file_id"`
	Detail     map[string]any `json:"detail"`
}

// Events is a page of events.
type Events struct {
	Events     []Event `json:"events"`
	NextCursor *string `json:"next_cursor"`
}
