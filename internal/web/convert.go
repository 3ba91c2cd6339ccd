package web

import (
	"encoding/base64"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// each converts a list; nothing becomes [], never null.
func each[From, To any](list []From, convert func(From) To) []To {
	out := make([]To, len(list))
	for i, v := range list {
		out[i] = convert(v)
	}
	return out
}

func wireFile(f transfer.File) api.File {
	received := make([][2]int, len(f.Received))
	for i, r := range f.Received {
		received[i] = [2]int{r.First, r.Last}
	}
	return api.File{
		ID: f.ID, Path: f.Path, Size: f.Size, Modified: api.TimeOf(f.Modified), Type: f.Type,
		PartSize: f.PartSize, PartCount: f.PartCount, Received: received, State: f.State,
		CRC32: api.CRCOf(f.CRC32), Sealing: f.Sealing,
	}
}

func wirePart(p transfer.Part) api.Part {
	return api.Part{Number: p.Number, Size: p.Size, CRC32: api.CRC32(p.CRC32)}
}

func wireTransfer(t transfer.Transfer) api.Transfer {
	return api.Transfer{
		ID: t.ID, State: t.State, SenderEmail: t.SenderEmail, SenderName: t.SenderName, Message: t.Message,
		Files:     api.FileCounts{Total: t.FilesTotal, Stored: t.FilesStored},
		Bytes:     api.ByteCounts{Declared: t.BytesDeclared, Received: t.BytesReceived},
		CreatedAt: api.NewTime(t.CreatedAt), CompletedAt: api.TimeOf(t.CompletedAt), ExpiresAt: api.NewTime(t.ExpiresAt),
		LinkID: optional(t.LinkID), Title: t.Title,
	}
}

func wireLinkView(v transfer.LinkView) api.LinkView {
	l := v.Link
	return api.LinkView{
		Slug: l.Slug, Title: l.Title, Message: l.Message, Studio: api.Studio{Name: v.StudioName},
		PasswordRequired: l.HasPassword, MaxFileBytes: l.MaxFileBytes, BytesLeft: v.BytesLeft,
		ExpiresAt: api.TimeOf(l.ExpiresAt), Mode: v.Mode, Sealing: []string{transfer.SealingServer},
		AccountKeys: each(v.AccountKeys, func(k account.PublicKey) api.AccountKey {
			enc := base64.RawURLEncoding.EncodeToString
			return api.AccountKey{ID: k.ID, Version: int64(k.Version), Suite: enc(k.Suite), Public: enc(k.Public)}
		}),
		Features: []string{},
	}
}

func (s *Server) wireLink(l transfer.Link) api.Link {
	return api.Link{
		ID: l.ID, Slug: l.Slug, URL: s.linkURL(l.Slug), Title: l.Title, Message: l.Message,
		HasPassword: l.HasPassword, MaxBytes: l.MaxBytes, MaxFileBytes: l.MaxFileBytes, MaxTransfers: l.MaxTransfers,
		RetentionDays: l.RetentionDays, ExpiresAt: api.TimeOf(l.ExpiresAt), Closed: l.Closed, State: l.State,
		Transfers: l.TransfersUsed, ReceivedBytes: l.ReceivedBytes, CreatedAt: api.NewTime(l.CreatedAt),
	}
}

func (s *Server) linkURL(slug string) string { return s.publicURL + "/u/" + slug }

func (s *Server) shareURL(token string) string { return s.publicURL + "/d/" + token }

func (s *Server) wireShare(v transfer.Share) api.Share {
	out := api.Share{
		ID: v.ID, State: v.State, ExpiresAt: api.NewTime(v.ExpiresAt), MaxDownloads: v.MaxDownloads,
		Downloads: v.Downloads, Recipients: append([]string{}, v.Recipients...), CreatedAt: api.NewTime(v.CreatedAt),
	}
	if v.Token != "" {
		out.URL = optional(s.shareURL(v.Token))
	}
	return out
}

func wireShareView(v transfer.ShareView) api.ShareView {
	return api.ShareView{
		Title: v.Title, SenderName: v.SenderName, TotalFiles: v.TotalFiles, TotalBytes: v.TotalBytes,
		ExpiresAt: api.NewTime(v.ExpiresAt), NextCursor: next(v.Next),
		Files: each(v.Files, func(f transfer.File) api.SharedFile {
			return api.SharedFile{
				ID: f.ID, Path: f.Path, Size: f.Size, Modified: api.TimeOf(f.Modified), Type: f.Type, CRC32: api.CRCOf(f.CRC32),
			}
		}),
	}
}

func wireMe(a account.Account) api.Me {
	return api.Me{
		ID: a.ID, Email: a.Email, Name: a.Name, Role: a.Role, Mode: a.Mode,
		QuotaBytes: a.Quota, UsedBytes: a.Used, ReservedBytes: a.Reserved,
	}
}

func wireToken(t account.Token) api.Token {
	return api.Token{
		ID: t.ID, Name: t.Name, CreatedAt: api.NewTime(t.CreatedAt),
		LastUsedAt: api.TimeOf(t.LastUsedAt), ExpiresAt: api.TimeOf(t.ExpiresAt),
	}
}

func wireEvent(e account.Event) api.Event {
	detail := e.Detail
	if detail == nil {
		detail = map[string]any{}
	}
	return api.Event{
		ID: e.ID, At: api.NewTime(e.At), Kind: string(e.Kind), Actor: e.Actor, IP: e.IP,
		TransferID: optional(e.TransferID), ShareID: optional(e.ShareID), FileID: optional(e.FileID), Detail: detail,
	}
}
