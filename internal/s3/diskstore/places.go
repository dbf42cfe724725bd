package diskstore

// Places returns where below a store's directory the blob can be, in the order
// of looking: a blob that Publish moves between two looks was in neither place,
// and the third look finds it. It is for readers beside the store, such as a
// backup. The first is where a blob is put by hand; nil says that id is none.
func Places(id string) []string {
	if !validID(id) {
		return nil
	}
	return []string{placeOf(id), stagingOf(id), placeOf(id)}
}
