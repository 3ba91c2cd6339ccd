package blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// leastUnfinished is how many days an unfinished upload must be left alone:
	// longer than any transfer may take.
	leastUnfinished = 28
	// fixedUnfinished is what FixLifecycle sets.
	fixedUnfinished = 30

	notSupported = "not supported by this server"
)

// allow is the advice for a permission that is missing.
func (c *BucketCheck) allow(action string) string {
	resource := "arn:aws:s3:::" + c.b.name
	switch action {
	case "s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts":
		resource += "/v1/*"
	}
	return fmt.Sprintf("Allow %s on %s to this access key: Wasabi console > Policies, the policy of its user", action, resource)
}

// endpointFlag is what the aws command line needs to find the server.
func (c *BucketCheck) endpointFlag() string {
	if c.o.S3.Endpoint == "" {
		return ""
	}
	return " --endpoint-url " + c.o.S3.Endpoint
}

// isNotSupported tells that a server has no such call, from what servers
// answer then.
func isNotSupported(err error) bool {
	code, status := answer(err)
	switch code {
	case "NotImplemented", "MethodNotAllowed", "UnsupportedOperation", "NotSupported":
		return true
	}
	return status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed
}

func tryLifecycle(ctx context.Context, c *BucketCheck) (string, error) {
	rules, err := c.lifecycle(ctx)
	if isNotSupported(err) {
		return "", warn(notSupported, "Nothing: the sweep of this program ends forgotten uploads by itself")
	}
	if err != nil {
		return "", bucketError(err)
	}
	text, soonest := "no rule ends unfinished uploads; the sweep of this program does", int32(0)
	for _, r := range rules {
		if !concerns(r) {
			continue
		}
		if what := harms(r); what != "" {
			return "", warn(fmt.Sprintf("the rule %q %s stored files", aws.ToString(r.ID), what),
				"Take the rule away from v1/: Wasabi console > Buckets > "+c.b.name+" > Settings > Lifecycle")
		}
		if a := r.AbortIncompleteMultipartUpload; a != nil {
			days := aws.ToInt32(a.DaysAfterInitiation)
			if text = fmt.Sprintf("unfinished uploads end after %d days", days); soonest == 0 || days < soonest {
				soonest = days
			}
		}
	}
	if soonest > 0 && soonest < leastUnfinished {
		return "", warn(fmt.Sprintf("unfinished uploads end after %d days, sooner than a transfer may take", soonest),
			fmt.Sprintf("Make it %d days or more: app s3-check --fix-lifecycle", leastUnfinished))
	}
	return text, nil
}

// lifecycle are the bucket's rules, none if there are none.
func (c *BucketCheck) lifecycle(ctx context.Context) ([]types.LifecycleRule, error) {
	out, err := c.b.calls.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &c.b.name})
	if code, _ := answer(err); code == "NoSuchLifecycleConfiguration" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return out.Rules, nil
}

// concerns tells whether a rule is in force for what this program stores.
func concerns(r types.LifecycleRule) bool {
	prefix := aws.ToString(r.Prefix) //nolint:staticcheck // old rules have their prefix here
	if f := r.Filter; f != nil {
		if f.Tag != nil || f.And != nil && len(f.And.Tags) > 0 {
			return false // nothing of this program has a tag
		}
		if f.And != nil {
			prefix = aws.ToString(f.And.Prefix)
		} else if f.Prefix != nil {
			prefix = *f.Prefix
		}
	}
	return r.Status == types.ExpirationStatusEnabled &&
		(strings.HasPrefix(prefix, keyVersion+"/") || strings.HasPrefix(keyVersion+"/", prefix))
}

// harms says what a rule does to objects, if it does something.
func harms(r types.LifecycleRule) string {
	if e := r.Expiration; e != nil && (e.Days != nil || e.Date != nil) {
		return "deletes"
	}
	if len(r.Transitions) > 0 {
		return "moves away"
	}
	return ""
}

func tryVersioning(ctx context.Context, c *BucketCheck) (string, error) {
	const advice = "A purge would keep old versions. Turn it off: aws s3api put-bucket-versioning --bucket %s --versioning-configuration Status=Suspended%s, and delete old versions"
	out, err := c.b.calls.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &c.b.name})
	if isNotSupported(err) {
		return notSupported, nil
	}
	if errors.Is(bucketError(err), ErrDenied) {
		return c.versioningSeen(ctx, err)
	}
	if err != nil {
		return "", bucketError(err)
	}
	c.state.versioned = out.Status != ""
	switch out.Status {
	case types.BucketVersioningStatusEnabled:
		return "", warn("it is on: a deleted file remains as an old version", fmt.Sprintf(advice, c.b.name, c.endpointFlag()))
	case types.BucketVersioningStatusSuspended:
		return "suspended", nil
	}
	return "off", nil
}

// versioningSeen looks at an object where the bucket may not be asked.
func (c *BucketCheck) versioningSeen(ctx context.Context, denied error) (string, error) {
	if c.state.key == "" {
		return "", bucketError(denied)
	}
	out, err := c.b.calls.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.b.name, Key: &c.state.key})
	if err != nil {
		return "", bucketError(denied)
	}
	if v := aws.ToString(out.VersionId); v != "" && v != "null" {
		c.state.versioned = true
		return "", warn("it is on: a deleted file remains as an old version",
			"Turn it off: Wasabi console > Buckets > "+c.b.name+" > Settings > Versioning")
	}
	return "off, as objects show", nil
}

func tryObjectLock(ctx context.Context, c *BucketCheck) (string, error) {
	out, err := c.b.calls.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &c.b.name})
	code, _ := answer(err)
	switch {
	case code == "ObjectLockConfigurationNotFoundError" || code == "NoSuchObjectLockConfiguration":
		return "off", nil
	case isNotSupported(err):
		return notSupported, nil
	case err != nil:
		return "", bucketError(err)
	case out.ObjectLockConfiguration == nil || out.ObjectLockConfiguration.ObjectLockEnabled != types.ObjectLockEnabledEnabled:
		return "off", nil
	}
	return "", warn("it is on: a purge fails until the lock of a file ends",
		"Object lock cannot be turned off: make a new bucket without it, in Wasabi console > Buckets > Create Bucket")
}
