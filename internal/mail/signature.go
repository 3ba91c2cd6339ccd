package mail

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// What SendGrid signs its events with
// (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
const (
	signatureHeader = "X-Twilio-Email-Event-Webhook-Signature"
	timestampHeader = "X-Twilio-Email-Event-Webhook-Timestamp" // seconds
)

// How far the time of a signature may be from our clock. SendGrid tries for a
// day to hand over events that it was told to come again with, and nothing says
// that it signs them anew; one that comes twice changes nothing.
const (
	signatureAge  = 25 * time.Hour
	signatureLead = 5 * time.Minute
)

// ErrSignature means that events are not what a mail service signed of late.
var ErrSignature = errors.New("the events are not signed as this mail service signs them")

// VerifySendGrid holds what was posted to the signature in its header. Errors:
// ErrSignature.
func VerifySendGrid(key *ecdsa.PublicKey, header http.Header, body []byte, now time.Time) error {
	timestamp := header.Get(timestampHeader)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %s is no time: %.20q", ErrSignature, timestampHeader, timestamp)
	}
	if age := now.Sub(time.Unix(seconds, 0)).Round(time.Second); age > signatureAge || age < -signatureLead {
		return fmt.Errorf("%w: it was signed %v ago by our clock", ErrSignature, age)
	}
	signature, err := base64.StdEncoding.DecodeString(header.Get(signatureHeader))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSignature, signatureHeader, err)
	}
	sum := sha256.New()
	sum.Write([]byte(timestamp))
	sum.Write(body)
	if !ecdsa.VerifyASN1(key, sum.Sum(nil), signature) {
		return fmt.Errorf("%w: the key is another, or the body", ErrSignature)
	}
	return nil
}
