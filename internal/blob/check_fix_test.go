package blob

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestFixCORS(t *testing.T) {
	t.Parallel()
	w, _ := faulty(t, on(carriesChecksum, refuse(400, "InvalidArgument")))
	c := w.checking(t, nil)
	_, err := c.b.calls.PutBucketCors(t.Context(), &s3.PutBucketCorsInput{
		Bucket: &c.b.name, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{
			{ID: aws.String("others"), AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET", "PUT"}},
			{ID: aws.String(ourRule), AllowedOrigins: []string{"https://before.example"}, AllowedMethods: []string{"PUT"}},
		}},
	}, withMD5)
	if err != nil {
		t.Fatal(err)
	}
	if row := w.checking(t, nil).Run(t.Context()).row(t, "cors"); row.Result != ResultNo {
		t.Errorf("before: %+v", row)
	}
	change, err := c.PlanCORS(t.Context())
	if err != nil || !change.IsNeeded() {
		t.Fatalf("%+v, %v", change, err)
	}
	if !strings.Contains(change.Was, "before.example") || strings.Contains(change.Will, "before.example") ||
		strings.Index(change.Will, checkOrigin) > strings.Index(change.Will, `"others"`) {
		t.Errorf("from %s to %s", change.Was, change.Will)
	}
	if err := change.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if row := w.checking(t, nil).Run(t.Context()).row(t, "cors"); row.Result != ResultOK {
		t.Errorf("after: %+v", row)
	}
	if again, err := c.PlanCORS(t.Context()); err != nil || again.IsNeeded() {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestFixLifecycle(t *testing.T) {
	t.Parallel()
	rules := lifecycleOf7
	w, _ := faulty(t, on(hasQuery("lifecycle"), func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
		if r.Method == http.MethodPut {
			if carriesChecksum(r) || r.Header.Get("Content-MD5") == "" {
				t.Errorf("sent with %v", r.Header)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			rules = string(body)
			return
		}
		answering(http.StatusOK, rules)(rw, r, nil)
	}))
	c := w.checking(t, nil)
	change, err := c.PlanLifecycle(t.Context())
	if err != nil || !change.IsNeeded() || !strings.Contains(change.Was, `"DaysAfterInitiation": 7`) || !strings.Contains(change.Will, `"DaysAfterInitiation": 30`) {
		t.Fatalf("%+v, %v", change, err)
	}
	if err := change.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, err := tryLifecycle(t.Context(), c); err != nil || !strings.Contains(text, "after 30 days") {
		t.Errorf("%q, %v from %s", text, err, rules)
	}
	if again, err := c.PlanLifecycle(t.Context()); err != nil || again.IsNeeded() {
		t.Errorf("again: %+v, %v", again, err)
	}
	rules = strings.Replace(lifecycleOf7, "<Prefix></Prefix>", "<Prefix>elsewhere/</Prefix>", 1)
	if change, err = c.PlanLifecycle(t.Context()); err != nil || !strings.Contains(change.Will, `"Prefix": "v1/"`) || !strings.Contains(change.Will, `"DaysAfterInitiation": 7`) {
		t.Errorf("beside another's rule: %+v, %v", change, err)
	}
}

func TestFixRefused(t *testing.T) {
	t.Parallel()
	asks := func(r *http.Request) bool { return r.URL.Query().Has("cors") || r.URL.Query().Has("lifecycle") }
	changes := func(r *http.Request) bool { return asks(r) && r.Method == http.MethodPut }
	for name, c := range map[string]struct {
		fault fault
		class error
		says  string
	}{
		"not supported": {on(asks, refuse(501, "NotImplemented")), ErrUnsupported, "CORS"},
		"denied":        {on(asks, refuse(403, "AccessDenied")), ErrDenied, "Allow s3:GetBucketCORS on arn:aws:s3:::test-"},
		"read only":     {on(changes, refuse(403, "AccessDenied")), ErrDenied, "Allow s3:PutBucketCORS on arn:aws:s3:::test-"},
		"trouble":       {on(changes, refuse(400, "MalformedXML")), ErrUnavailable, "400 MalformedXML"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := faulty(t, c.fault)
			change, err := w.checking(t, nil).PlanCORS(t.Context())
			if err == nil {
				err = change.Apply(t.Context())
			}
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.says) {
				t.Error(err)
			}
		})
	}
}

func TestConcerns(t *testing.T) {
	t.Parallel()
	tag := types.Tag{Key: aws.String("a"), Value: aws.String("b")}
	filter := func(f types.LifecycleRuleFilter) types.LifecycleRule {
		return types.LifecycleRule{Status: types.ExpirationStatusEnabled, Filter: &f}
	}
	prefix := func(p string) types.LifecycleRule { return filter(types.LifecycleRuleFilter{Prefix: &p}) }
	off := prefix("")
	off.Status = types.ExpirationStatusDisabled
	for name, c := range map[string]struct {
		rule types.LifecycleRule
		want bool
	}{
		"all":        {types.LifecycleRule{Status: types.ExpirationStatusEnabled}, true},
		"empty":      {prefix(""), true},
		"ours":       {prefix("v1/"), true},
		"begins":     {prefix("v"), true},
		"an account": {prefix("v1/01"), true},
		"old form":   {types.LifecycleRule{Status: types.ExpirationStatusEnabled, Prefix: aws.String("logs/")}, false}, //nolint:staticcheck // servers still send it
		"others":     {prefix("logs/"), false},
		"tagged":     {filter(types.LifecycleRuleFilter{Tag: &tag}), false},
		"both":       {filter(types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("v1/"), Tags: []types.Tag{tag}}}), false},
		"large ones": {filter(types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("v1/"), ObjectSizeGreaterThan: aws.Int64(1)}}), true},
		"off":        {off, false},
	} {
		if got := concerns(c.rule); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if names := CheckNames(); len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Errorf("a name twice in %v", names)
	}
}
