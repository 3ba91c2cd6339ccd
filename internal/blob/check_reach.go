package blob

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Setting is one of the things that have to be right before a bucket answers.
type Setting string

// The settings.
const (
	SettingEndpoint  Setting = "endpoint"
	SettingRegion    Setting = "region"
	SettingBucket    Setting = "bucket"
	SettingAccessKey Setting = "access key"
	SettingSecretKey Setting = "secret key"
	SettingKeys      Setting = "access key and secret key" // one of the two, or what they may
	SettingClock     Setting = "clock"
)

// SettingError is a setting with which a bucket cannot be used.
type SettingError struct {
	Setting Setting
	Cause   string // for people, without a secret in it
	Silent  bool   // nothing was heard at all, which may pass without a change of the settings
}

func (e *SettingError) Error() string { return fmt.Sprintf("%s: %s", e.Setting, e.Cause) }

// skewSeen is from when on a clock's error is worth a word; skewRefused is the
// one that S3 refuses.
const (
	skewSeen    = time.Minute
	skewRefused = 15 * time.Minute
)

// Reach asks once whether a bucket answers, for a program that is about to rely
// on it. What is wrong with the settings is a *SettingError, also where the
// bucket may not be looked at, within ConnectTimeout. A bucket that is ill is
// ErrUnavailable.
func Reach(ctx context.Context, o S3Options) (err error) {
	c, err := OpenBucketCheck(CheckOptions{S3: o})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Reach(ctx); err != nil || c.denied == nil {
		return err
	}
	return &SettingError{Setting: SettingKeys, Cause: fmt.Sprintf("the bucket %q at %s may not be looked at with them (%s)", o.Bucket, o.Endpoint, c.words(c.denied))}
}

// Reach asks once whether the bucket answers. What is wrong with the settings is
// a *SettingError, within ConnectTimeout; a missing permission is none. Repeated
// calls give the same answer.
func (c *BucketCheck) Reach(ctx context.Context) error {
	if c.reached {
		return c.problem
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.o.S3.ConnectTimeout, noAnswer(c.o.S3.ConnectTimeout))
	defer cancel()
	err := c.answers(limited)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if limited.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(limited), err)
	}
	c.reached = true
	c.problem = c.blame(err)
	return c.problem
}

// answers asks for the bucket and for a page of it, whose form a server that is
// no store does not have. It notes the bucket's clock.
func (c *BucketCheck) answers(ctx context.Context) error {
	name := &c.b.name
	head, err := c.probe.calls.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: name})
	if err == nil {
		c.readClock(awsmiddleware.GetRawResponse(head.ResultMetadata), c.now())
	}
	page, listErr := c.probe.calls.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name, MaxKeys: aws.Int32(1)})
	if listErr != nil {
		if res, ok := errors.AsType[*smithyhttp.ResponseError](listErr); ok {
			c.readClock(res.Response, c.now())
		}
		return listErr
	}
	if err == nil && aws.ToString(page.Name) == "" && page.KeyCount == nil && page.IsTruncated == nil {
		return errNoStore
	}
	return err
}

var errNoStore = errors.New("what answers there does not speak S3")

// readClock compares the clocks by an answer's date.
func (c *BucketCheck) readClock(raw any, now time.Time) {
	res, ok := raw.(*smithyhttp.Response)
	if !ok || res == nil || res.Response == nil {
		return
	}
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		c.skew = now.Sub(date).Round(time.Second)
	}
}

// blame finds the setting that an error is about. Refused permission is nobody's
// setting: its row says which one is missing.
func (c *BucketCheck) blame(err error) error {
	if err == nil {
		return nil
	}
	code, status := answer(err)
	if setting := settingOfCode(code); setting != "" {
		return &SettingError{Setting: setting, Cause: c.sentence(setting, code, err)}
	}
	class := bucketError(err)
	switch {
	case errors.Is(err, errNoStore), status == 0:
		return &SettingError{Setting: SettingEndpoint, Cause: c.cause(err), Silent: mayPass(err)}
	case errors.Is(class, ErrNoBucket):
		return &SettingError{Setting: SettingRegion, Cause: c.sentence(SettingRegion, code, err)}
	case errors.Is(class, ErrDenied):
		c.denied = class
		return nil
	case status >= 500:
		return fmt.Errorf("%w: %s", ErrUnavailable, c.words(err))
	}
	return &SettingError{Setting: SettingEndpoint, Cause: fmt.Sprintf("%v at %s (%s)", errNoStore, c.o.S3.Endpoint, c.words(err))}
}

// mayPass tells a server that is not there now from what answers in its place,
// or cannot be there at all.
func mayPass(err error) bool {
	if errors.Is(err, errNoStore) || errors.Is(err, http.ErrSchemeMismatch) {
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return !dns.IsNotFound
	}
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return !plain && !untrusted && !alert
}

func settingOfCode(code string) Setting {
	switch code {
	case "AuthenticationLockout":
		return SettingKeys
	case "InvalidAccessKeyId", "XAdminUserNotFound", "InvalidToken", "ExpiredToken":
		return SettingAccessKey
	case "SignatureDoesNotMatch":
		return SettingSecretKey
	case "RequestTimeTooSkewed", "RequestExpired":
		return SettingClock
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		return SettingRegion
	case "NoSuchBucket", "InvalidBucketName":
		return SettingBucket
	}
	return ""
}

// sentence is what a person reads of a wrong setting.
func (c *BucketCheck) sentence(s Setting, code string, err error) string {
	switch s {
	case SettingClock:
		if c.skew == 0 {
			return "the clock of this machine is wrong by more than the 15 minutes that the bucket allows"
		}
		return fmt.Sprintf("the clock of this machine is %s", skewText(c.skew))
	case SettingRegion:
		text := fmt.Sprintf("the bucket is not in region %q at %s", c.o.S3.Region, c.o.S3.Endpoint)
		if res, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && res.Response != nil {
			if there := res.Response.Header.Get("X-Amz-Bucket-Region"); there != "" {
				text += fmt.Sprintf(", it is in %q", there)
			}
		}
		return text
	case SettingBucket:
		return fmt.Sprintf("there is no bucket %q at %s", c.b.name, c.o.S3.Endpoint)
	}
	if reason := refusal(code); reason != nil {
		return strings.TrimPrefix(reason.Error(), ErrDenied.Error()+": ")
	}
	return c.words(err)
}

func skewText(d time.Duration) string {
	if d < 0 {
		return fmt.Sprintf("%s behind the bucket's", -d)
	}
	return fmt.Sprintf("%s ahead of the bucket's", d)
}

// cause is why nothing was heard at all.
func (c *BucketCheck) cause(err error) string {
	at := c.o.S3.Endpoint
	if at == "" {
		at = "the endpoint"
	}
	if late, ok := errors.AsType[noAnswer](err); ok {
		return fmt.Sprintf("%s gave %s", at, late)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("%s: there is no host %q", at, dns.Name)
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Sprintf("%s gave %s", at, noAnswer(c.o.S3.ConnectTimeout))
	}
	return fmt.Sprintf("%s: %s", at, c.words(err))
}

// words is an error as short as it can be said: the store's own code and
// message, or the innermost reason. Keys and signed addresses are not in it.
func (c *BucketCheck) words(err error) string {
	text := innermost(err)
	code, status := answer(err)
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		text = code
		if m := api.ErrorMessage(); m != "" && m != code {
			text += ": " + strings.TrimSpace(m)
		}
	}
	if status >= 300 {
		text = fmt.Sprintf("%d %s", status, text)
	}
	for _, secret := range []string{c.o.S3.SecretKey, c.o.S3.AccessKey} {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	if text = strings.Join(strings.Fields(text), " "); len(text) > longestReason {
		text = strings.ToValidUTF8(text[:longestReason], "") + "…"
	}
	return text
}

const longestReason = 300

// innermost is the text of what an error is about, without the wrapping of the
// layers that it came through, and without an address.
func innermost(err error) string {
	for {
		if late, ok := errors.AsType[noAnswer](err); ok {
			return late.Error()
		}
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
			continue
		}
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
			err = op.Err
			continue
		}
		return err.Error()
	}
}

// tryEndpoint, tryCredentials and tryBucket tell the one answer of Reach apart.
func tryEndpoint(ctx context.Context, c *BucketCheck) (string, error) {
	err := c.Reach(ctx)
	if setting, ok := errors.AsType[*SettingError](err); ok && setting.Setting != SettingEndpoint {
		return "", nil
	}
	return "", c.advised(err)
}

func tryCredentials(_ context.Context, c *BucketCheck) (string, error) {
	setting, ok := errors.AsType[*SettingError](c.problem)
	switch {
	case ok && setting.Setting == SettingBucket:
		return "", nil
	case ok && setting.Setting == SettingRegion:
		return "", &remark{ResultSkipped, "it rests on the right region", ""}
	case c.problem != nil:
		return "", c.advised(c.problem)
	case c.skew.Abs() >= skewRefused:
		return "", &remark{ResultFailed, "the clock of this machine is " + skewText(c.skew), adviceOf(SettingClock)}
	case c.skew.Abs() >= skewSeen:
		return "", warn("the clock of this machine is "+skewText(c.skew), adviceOf(SettingClock))
	}
	return fmt.Sprintf("clock within %s", max(c.skew.Abs(), time.Second)), nil
}

func tryBucket(_ context.Context, c *BucketCheck) (string, error) {
	setting, ok := errors.AsType[*SettingError](c.problem)
	if ok && setting.Setting != SettingBucket && setting.Setting != SettingRegion {
		return "", &remark{ResultSkipped, "it rests on " + nameCredentials, ""}
	}
	if c.problem != nil {
		return "", c.advised(c.problem)
	}
	return "", c.denied
}

// advised adds what to do about a wrong setting.
func (c *BucketCheck) advised(err error) error {
	if setting, ok := errors.AsType[*SettingError](err); ok {
		return &remark{ResultFailed, setting.Cause, adviceOf(setting.Setting)}
	}
	return err
}

func adviceOf(s Setting) string {
	switch s {
	case SettingEndpoint:
		return "Set s3.endpoint to the server's address (Wasabi: https://s3.<region>.wasabisys.com) and see that this machine reaches it: curl -sI ADDRESS"
	case SettingRegion:
		return "Set s3.region, and s3.endpoint with it, to the bucket's: Wasabi console > Buckets, column Region"
	case SettingBucket:
		return "Set s3.bucket to a name in Wasabi console > Buckets, or make it there: Create Bucket"
	case SettingAccessKey:
		return "Set s3.access_key to a key in Wasabi console > Access Keys"
	case SettingKeys:
		return "Stop what asks with wrong keys, wait five minutes, and set s3.access_key and s3.secret_key to a pair in Wasabi console > Access Keys"
	case SettingSecretKey:
		return "Set s3.secret_key to the secret of this access key, whole and without quotes; a lost one is replaced in Wasabi console > Access Keys > Create Access Key"
	}
	return "Let this machine follow a time server: timedatectl set-ntp true"
}
