package mail

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"
)

func TestVerifySendGrid(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	body := []byte(`[{"event": "bounce"}]` + "\r\n")
	signed := func(at string, signer *ecdsa.PrivateKey) http.Header {
		digest := sha256.Sum256([]byte(at + string(body)))
		signature, err := ecdsa.SignASN1(rand.Reader, signer, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{
			"X-Twilio-Email-Event-Webhook-Signature": {base64.StdEncoding.EncodeToString(signature)},
			"X-Twilio-Email-Event-Webhook-Timestamp": {at},
		}
	}
	at := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	changed := func(name, value string) http.Header {
		h := signed(at(0), key)
		h.Set(name, value)
		return h
	}
	for name, c := range map[string]struct {
		header http.Header
		good   bool
	}{
		"now":             {signed(at(0), key), true},
		"a day ago":       {signed(at(-25*time.Hour), key), true},
		"in five minutes": {signed(at(5*time.Minute), key), true},
		"longer ago":      {signed(at(-25*time.Hour-time.Second), key), false},
		"later":           {signed(at(5*time.Minute+time.Second), key), false},
		"another key":     {signed(at(0), other), false},
		"another time":    {changed("X-Twilio-Email-Event-Webhook-Timestamp", at(time.Second)), false},
		"no time":         {signed("", key), false},
		"no seconds":      {signed(now.Format(time.RFC3339), key), false},
		"longest time":    {signed("9223372036854775807", key), false},
		"no signature":    {changed("X-Twilio-Email-Event-Webhook-Signature", ""), false},
		"no base64":       {changed("X-Twilio-Email-Event-Webhook-Signature", "%"), false},
		"no ASN.1":        {changed("X-Twilio-Email-Event-Webhook-Signature", "AAAA"), false},
		"nothing at all":  {http.Header{}, false},
	} {
		if err := VerifySendGrid(&key.PublicKey, c.header, body, now); (err == nil) != c.good || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := VerifySendGrid(&key.PublicKey, signed(at(0), key), append(body, ' '), now); !errors.Is(err, ErrSignature) {
		t.Errorf("another body: %v", err)
	}
}
