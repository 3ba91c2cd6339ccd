package blob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// ErrUnsupported: the server of a bucket has no such setting.
var ErrUnsupported = errors.New("blob: not supported by this server")

// BucketChange is a change to a setting of a bucket, not made yet.
type BucketChange struct {
	What  string // "CORS rules", "lifecycle rules"
	Was   string // as JSON that the aws command line takes, so that it can be put back; empty: none
	Will  string
	apply func(ctx context.Context) error
}

// IsNeeded tells whether the change changes anything.
func (b BucketChange) IsNeeded() bool { return b.Was != b.Will }

// Apply makes the change. Errors are of the classes of a Store, or ErrUnsupported.
func (b BucketChange) Apply(ctx context.Context) error {
	if err := b.apply(ctx); err != nil {
		return fmt.Errorf("set the bucket's %s: %w", b.What, err)
	}
	return nil
}

// ourRule is the name of the rules that this program sets.
const ourRule = "lenzeye"

// PlanCORS is the change that lets pages at Origin send parts to the bucket and
// read from it. Rules of others stay; ours comes first, since the first that
// fits counts.
func (c *BucketCheck) PlanCORS(ctx context.Context) (BucketChange, error) {
	var old []types.CORSRule
	out, err := c.b.calls.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &c.b.name})
	if code, _ := answer(err); err != nil && code != "NoSuchCORSConfiguration" {
		return BucketChange{}, c.refusedSetting("read the bucket's CORS rules", "s3:GetBucketCORS", err)
	}
	if err == nil {
		old = out.CORSRules
	}
	rules := slices.DeleteFunc(slices.Clone(old), func(r types.CORSRule) bool { return aws.ToString(r.ID) == ourRule })
	rules = slices.Insert(rules, 0, types.CORSRule{
		ID:             aws.String(ourRule),
		AllowedOrigins: []string{c.o.Origin},
		AllowedMethods: []string{"GET", "PUT", "HEAD"},
		AllowedHeaders: []string{"*"},
		ExposeHeaders:  []string{"ETag", "x-amz-request-id", "Content-Range"},
		MaxAgeSeconds:  aws.Int32(3600),
	})
	change := BucketChange{What: "CORS rules", Was: rulesText("CORSRules", old), Will: rulesText("CORSRules", rules)}
	change.apply = func(ctx context.Context) error {
		_, err := c.b.calls.PutBucketCors(ctx, &s3.PutBucketCorsInput{
			Bucket: &c.b.name, CORSConfiguration: &types.CORSConfiguration{CORSRules: rules},
		}, withMD5)
		return c.refusedSetting("", "s3:PutBucketCORS", err)
	}
	return change, nil
}

// PlanLifecycle is the change after which no rule ends an unfinished upload of
// this program sooner than it may, and one ends those that nobody finishes.
// What rules do to objects stays as it is.
func (c *BucketCheck) PlanLifecycle(ctx context.Context) (BucketChange, error) {
	old, err := c.lifecycle(ctx)
	if err != nil {
		return BucketChange{}, c.refusedSetting("read the bucket's lifecycle rules", "s3:GetLifecycleConfiguration", err)
	}
	rules, ends := slices.Clone(old), false
	for i, r := range rules {
		a := r.AbortIncompleteMultipartUpload
		if a == nil || !concerns(r) {
			continue
		}
		ends = true
		if aws.ToInt32(a.DaysAfterInitiation) < leastUnfinished {
			rules[i].AbortIncompleteMultipartUpload = &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(fixedUnfinished)}
		}
	}
	if !ends {
		rules = append(rules, types.LifecycleRule{
			ID: aws.String(ourRule), Status: types.ExpirationStatusEnabled,
			Filter:                         &types.LifecycleRuleFilter{Prefix: aws.String(keyVersion + "/")},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(fixedUnfinished)},
		})
	}
	change := BucketChange{What: "lifecycle rules", Was: rulesText("Rules", old), Will: rulesText("Rules", rules)}
	change.apply = func(ctx context.Context) error {
		_, err := c.b.calls.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
			Bucket: &c.b.name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
		}, withMD5)
		return c.refusedSetting("", "s3:PutLifecycleConfiguration", err)
	}
	return change, nil
}

// refusedSetting is why a setting cannot be read or written, in words.
func (c *BucketCheck) refusedSetting(what, action string, err error) error {
	if err == nil {
		return nil
	}
	if what != "" {
		what += ": "
	}
	switch class := bucketError(err); {
	case isNotSupported(err):
		return fmt.Errorf("%s%w", what, ErrUnsupported)
	case errors.Is(class, ErrDenied):
		return fmt.Errorf("%s%w: %s. %s", what, ErrDenied, c.words(err), c.allow(action))
	case classed(class):
		return fmt.Errorf("%s%w", what, class)
	}
	return fmt.Errorf("%s%w: %s", what, ErrUnavailable, c.words(err))
}

// withMD5 sends the digest that S3 has always taken with a setting in place of
// the newer one, which not every server knows.
func withMD5(o *s3.Options) {
	o.APIOptions = append(slices.Clone(o.APIOptions), func(stack *middleware.Stack) error {
		if _, err := stack.Finalize.Remove("AWSChecksum:ComputeInputPayloadChecksum"); err != nil {
			return err
		}
		return smithyhttp.AddContentChecksumMiddleware(stack)
	})
}

// rulesText is a configuration as the aws command line reads it.
func rulesText[T any](name string, rules []T) string {
	if len(rules) == 0 {
		return ""
	}
	list := make([]any, len(rules))
	for i, r := range rules {
		list[i] = given(r)
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	_ = out.Encode(map[string]any{name: list}) // made of strings, numbers and lists
	return text.String()
}

// given leaves out what a rule does not say.
func given(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return string(text)
	}
	return withoutNull(plain)
}

func withoutNull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if field = withoutNull(field); field == nil || field == "" {
				delete(v, name)
			} else {
				v[name] = field
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNull(v[i])
		}
	}
	return v
}
