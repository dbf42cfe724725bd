package s3

import "strings"

// What an action of S3 is about.
const (
	onService = 1 << iota // neither; or a resource that no bucket policy is about
	onBucket
	onObject
)

// actionLevels are the actions of S3 that a policy can name, in lower case, and
// what each is about.
//
// Source: Service Authorization Reference, "Actions, resources, and condition
// keys for Amazon S3".
var actionLevels = levels(
	onBucket, `createbucket createbucketmetadatatableconfiguration deletebucket deletebucketmetadatatableconfiguration
		deletebucketpolicy deletebucketwebsite getaccelerateconfiguration getanalyticsconfiguration getbucketabac getbucketacl getbucketcors
		getbucketlocation getbucketlogging getbucketmetadatatableconfiguration getbucketnotification getbucketobjectlockconfiguration
		getbucketownershipcontrols getbucketpolicy getbucketpolicystatus getbucketpublicaccessblock getbucketrequestpayment
		getbuckettagging getbucketversioning getbucketwebsite getencryptionconfiguration getintelligenttieringconfiguration
		getinventoryconfiguration getlifecycleconfiguration getmetricsconfiguration getreplicationconfiguration listbucket
		listbucketmultipartuploads listbucketversions listtagsforresource pauseaccessgrants putaccelerateconfiguration putanalyticsconfiguration
		putbucketabac putbucketacl putbucketcors putbucketlogging putbucketnotification putbucketobjectlockconfiguration
		putbucketownershipcontrols putbucketpolicy putbucketpublicaccessblock putbucketrequestpayment putbuckettagging
		putbucketversioning putbucketwebsite putencryptionconfiguration putintelligenttieringconfiguration putinventoryconfiguration
		putlifecycleconfiguration putmetricsconfiguration putreplicationconfiguration tagresource untagresource
		updatebucketmetadatainventorytableconfiguration updatebucketmetadatajournaltableconfiguration`,
	onObject, `abortmultipartupload bypassgovernanceretention deleteobject deleteobjecttagging deleteobjectversion
		deleteobjectversiontagging getobject getobjectacl getobjectattributes getobjectlegalhold getobjectretention getobjecttagging
		getobjecttorrent getobjectversion getobjectversionacl getobjectversionattributes getobjectversionforreplication
		getobjectversiontagging getobjectversiontorrent initiatereplication listmultipartuploadparts
		objectowneroverridetobucketowner putobject putobjectacl putobjectlegalhold putobjectretention putobjecttagging
		putobjectversionacl putobjectversiontagging replicatedelete replicateobject replicatetags restoreobject updateobjectencryption`,
	onService, `createaccesspoint createaccesspointforobjectlambda createjob createmultiregionaccesspoint createstoragelensgroup
		deleteaccesspoint deleteaccesspointforobjectlambda deleteaccesspointpolicy deleteaccesspointpolicyforobjectlambda
		deletejobtagging deletemultiregionaccesspoint deletestoragelensconfiguration deletestoragelensconfigurationtagging
		deletestoragelensgroup describejob describemultiregionaccesspointoperation getaccesspoint
		getaccesspointconfigurationforobjectlambda getaccesspointforobjectlambda getaccesspointpolicy
		getaccesspointpolicyforobjectlambda getaccesspointpolicystatus getaccesspointpolicystatusforobjectlambda
		getaccountpublicaccessblock getdataaccess getjobtagging getmultiregionaccesspoint getmultiregionaccesspointpolicy
		getmultiregionaccesspointpolicystatus getmultiregionaccesspointroutes getstoragelensconfiguration
		getstoragelensconfigurationtagging getstoragelensdashboard getstoragelensgroup listaccesspoints
		listaccesspointsforobjectlambda listallmybuckets listjobs listmultiregionaccesspoints liststoragelensconfigurations
		liststoragelensgroups putaccesspointconfigurationforobjectlambda putaccesspointpolicy
		putaccesspointpolicyforobjectlambda putaccesspointpublicaccessblock putaccountpublicaccessblock putjobtagging
		putmultiregionaccesspointpolicy putstoragelensconfiguration putstoragelensconfigurationtagging
		submitmultiregionaccesspointroutes updatejobpriority updatejobstatus updatestoragelensgroup`,
)

func levels(pairs ...any) map[string]int {
	m := map[string]int{}
	for i := 0; i < len(pairs); i += 2 {
		for _, name := range strings.Fields(pairs[i+1].(string)) {
			m[name] |= pairs[i].(int)
		}
	}
	return m
}

// actionsLike returns the actions, in lower case and without the prefix, that an
// Action element of a policy means. There are none for an element that means
// nothing in S3.
func actionsLike(element string) []string {
	pattern := strings.ToLower(element)
	if pattern == "*" {
		pattern = "s3:*"
	}
	pattern, ok := strings.CutPrefix(pattern, "s3:")
	if !ok {
		return nil
	}
	if !strings.ContainsAny(pattern, "*?") {
		if actionLevels[pattern] == 0 {
			return nil
		}
		return []string{pattern}
	}
	var found []string
	for name := range actionLevels {
		if wildcard(pattern, name) {
			found = append(found, name)
		}
	}
	return found
}

// wildcard reports whether s fits a pattern, in which "*" is any run of
// characters and "?" any one byte. It takes no more than len(pattern)·len(s) steps.
func wildcard(pattern, s string) bool {
	p, i, star, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
