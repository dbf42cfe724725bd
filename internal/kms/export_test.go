package kms

// LayoutPolicy lets tests print a policy as GetKeyPolicy does.
func LayoutPolicy(text string) string { return layoutPolicy([]byte(text)) }
