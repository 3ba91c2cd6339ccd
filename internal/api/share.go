package api

// Unlock gives the code of a share.
type Unlock struct {
	Code string `json:"code"`
}

// Unlocked is the right to fetch.
type Unlocked struct {
	AccessToken string `json:"access_token"`
	ExpiresAt   Time   `json:"expires_at"`
}

// ShareView is a page of what a share shows.
type ShareView struct {
	Title      string       `json:"title"`
	SenderName string       `json:"sender_name"`
	Files      []SharedFile `json:"files"`
	TotalFiles int64        `json:"total_files"`
	TotalBytes int64        `json:"total_bytes"`
	ExpiresAt  Time         `json:"expires_at"`
	NextCursor *string      `json:"next_cursor"`
}

// SharedFile is a file that can be fetched.
type SharedFile struct {
	ID       string `json:"id"`
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	Modified *Time  `json:"modified"`
	Type     string `json:"type"`
	CRC32    *CRC32 `json:"crc32"`
}
