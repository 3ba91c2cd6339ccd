package blob

import "context"

// Names of rows that code refers to.
const (
	nameEndpoint    = "endpoint"
	nameCredentials = "credentials"
	nameBucket      = "bucket"
	namePut         = "put"
	nameUpload      = "multipart"
	nameComplete    = "complete"
	nameAbort       = "abort"
	namePresign     = "presign"
	nameStall       = "stall"
	nameCleanup     = "cleanup"
)

// capability is something that a bucket can do. The text of a try is what was
// seen; its error is why the capability is not there, or a remark.
type capability struct {
	name      string
	needed    bool
	after     string // it is not tried unless this one passed
	action    string // the permission that it takes
	try       func(ctx context.Context, c *BucketCheck) (string, error)
	advice    string // when it is not a matter of permission
	takesTime bool   // no limit holds for it
}

// CheckNames are the capabilities that a check looks at, in its order.
func CheckNames() []string {
	var names []string
	for _, p := range capabilities() {
		names = append(names, p.name)
	}
	return append(names, nameCleanup)
}

func capabilities() []capability {
	all := append(accessRows(), objectRows()...)
	all = append(all, uploadRows()...)
	all = append(all, optionalRows()...)
	return append(all, stallRow()) // it waits beside all others
}

const (
	otherServer = "This server does not keep S3's promises here: use another one, or ask its maker"
	noProxy     = "Look for a proxy or cache between this machine and the bucket and take it away; without one, use another server"
)

// accessRows share one answer.
func accessRows() []capability {
	return []capability{
		{name: nameEndpoint, needed: true, try: tryEndpoint},
		{name: nameCredentials, needed: true, after: nameEndpoint, try: tryCredentials},
		{name: nameBucket, needed: true, after: nameEndpoint, action: "s3:ListBucket", try: tryBucket},
	}
}

func objectRows() []capability {
	return []capability{
		{name: namePut, needed: true, action: "s3:PutObject", try: tryPut,
			advice: "The server must take bodies of a known length without a checksum and without aws-chunked: " + otherServer},
		{name: "read-after-write", needed: true, after: namePut, action: "s3:GetObject", try: tryReadAfterWrite, advice: noProxy},
		{name: "head", needed: true, after: namePut, action: "s3:GetObject", try: tryHead, advice: otherServer},
		{name: "get", needed: true, after: namePut, action: "s3:GetObject", try: tryGet, advice: noProxy},
		{name: "range", needed: true, after: namePut, action: "s3:GetObject", try: tryRange, advice: noProxy},
		{name: "list", needed: true, after: namePut, action: "s3:ListBucket", try: tryList, advice: otherServer},
		{name: "put-cut", needed: true, after: namePut, action: "s3:PutObject", try: tryPutCut,
			advice: "A body that was cut must not become an object. " + noProxy},
		{name: "keys", needed: true, after: namePut, action: "s3:PutObject", try: tryKeys, advice: noProxy},
		{name: "delete", needed: true, after: namePut, action: "s3:DeleteObject", try: tryDelete, advice: otherServer},
	}
}

func uploadRows() []capability {
	const parts = "parts-any-order"
	return []capability{
		{name: nameUpload, needed: true, after: namePut, action: "s3:PutObject", try: tryUpload, advice: otherServer},
		{name: parts, needed: true, after: nameUpload, action: "s3:PutObject", try: tryParts,
			advice: "The server must take parts of a known length without a checksum and without aws-chunked: " + otherServer},
		{name: "part-repeated", needed: true, after: parts, action: "s3:PutObject", try: tryRepeat, advice: otherServer},
		{name: "part-cut", needed: true, after: parts, action: "s3:PutObject", try: tryPartCut,
			advice: "A part that was cut must not take the place of the one before. " + noProxy},
		{name: "parts-listed", needed: true, after: parts, action: "s3:ListMultipartUploadParts", try: tryPartsListed, advice: otherServer},
		{name: "uploads-listed", needed: true, after: nameUpload, action: "s3:ListBucketMultipartUploads", try: tryUploads, advice: otherServer},
		{name: nameComplete, needed: true, after: parts, action: "s3:PutObject", try: tryComplete, advice: otherServer},
		{name: "complete-again", needed: true, after: nameComplete, action: "s3:PutObject", try: tryCompleteAgain, advice: otherServer},
		{name: nameAbort, needed: true, after: nameUpload, action: "s3:AbortMultipartUpload", try: tryAbort, advice: otherServer},
		{name: "abort-again", needed: true, after: nameAbort, action: "s3:AbortMultipartUpload", try: tryAbortAgain, advice: otherServer},
	}
}

func optionalRows() []capability {
	const later = "Nothing: this program does not use it"
	return []capability{
		{name: namePresign, after: nameUpload, action: "s3:GetObject", try: tryPresign, advice: later},
		{name: "cors", after: namePresign, try: tryCORS,
			advice: "Nothing while browsers talk to this program only. Else: app s3-check --fix-cors"},
		{name: "addressing", try: tryAddressing, advice: "Nothing: keep s3.path_style as it is"},
		{name: "if-none-match", after: namePut, try: tryIfNoneMatch, advice: later},
		{name: "checksums", after: namePut, try: tryChecksums, advice: later},
		{name: "lifecycle", action: "s3:GetLifecycleConfiguration", try: tryLifecycle, advice: later},
		{name: "versioning", action: "s3:GetBucketVersioning", try: tryVersioning, advice: later},
		{name: "object-lock", action: "s3:GetBucketObjectLockConfiguration", try: tryObjectLock, advice: later},
		{name: "latency", after: namePut, action: "s3:GetObject", try: tryLatency, advice: noProxy},
		{name: "throughput-1", after: namePut, action: "s3:PutObject", try: tryOneStream, advice: noProxy, takesTime: true},
		{name: "throughput-8", after: namePut, action: "s3:PutObject", try: tryEightStreams, advice: noProxy, takesTime: true},
	}
}

func stallRow() capability {
	return capability{name: nameStall, needed: true, after: namePut, action: "s3:PutObject", try: tryStall, takesTime: true,
		advice: "A body that stopped must not become an object. " + noProxy}
}
