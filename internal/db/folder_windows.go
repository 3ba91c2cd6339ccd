package db

// syncFolder does nothing: NTFS keeps names in its journal.
func syncFolder(string) error { return nil }
