package api

// Login asks for a code by mail.
type Login struct {
	Email string `json:"email"`
}

// LoginBegun is the answer, whether the address is a studio's or not.
type LoginBegun struct {
	LoginID string `json:"login_id"`
}

// LoginCode signs in with the code that was mailed.
type LoginCode struct {
	LoginID string `json:"login_id"`
	Code    string `json:"code"`
}

// SignedIn is who signed in. The session itself is a cookie.
type SignedIn struct {
	Account Me `json:"account"`
}

// Session is a studio signed in on one device; Current is the caller's own.
type Session struct {
	ID         string `json:"id"`
	CreatedAt  Time   `json:"created_at"`
	LastSeenAt Time   `json:"last_seen_at"`
	ExpiresAt  Time   `json:"expires_at"`
	IP         string `json:"ip"`
	UserAgent  string `json:"user_agent"`
	Current    bool   `json:"current"`
}

// Sessions is a page of sessions.
type Sessions struct {
	Sessions   []Session `json:"sessions"`
	NextCursor *string   `json:"next_cursor"`
}
