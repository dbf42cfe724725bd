package arn

import "testing"

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     ARN
		ok       bool
	}{
		{"key", "arn:aws:kms:us-east-1:111122223333:key/a-b", ARN{"aws", "kms", "us-east-1", "111122223333", "key/a-b"}, true},
		{"object with colons", "arn:aws:s3:::bucket/a:b/c", ARN{"aws", "s3", "", "", "bucket/a:b/c"}, true},
		{"too few parts", "arn:aws:kms:us-east-1:111122223333", ARN{}, false},
		{"no resource", "arn:aws:kms:us-east-1:111122223333:", ARN{}, false},
		{"no service", "arn:aws::us-east-1:111122223333:key/a", ARN{}, false},
		{"other scheme", "urn:aws:kms:us-east-1:111122223333:key/a", ARN{}, false},
		{"empty", "", ARN{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Parse(tt.in)
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %v, %v, want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:kms:us-east-1:111122223333:key/a-b")
	f.Add("arn:aws:s3:::bucket/a:b/c")
	f.Fuzz(func(t *testing.T, s string) {
		if a, ok := Parse(s); ok && a.String() != s {
			t.Errorf("got %q back, want %q", a.String(), s)
		}
	})
}
