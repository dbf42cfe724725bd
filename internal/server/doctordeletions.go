package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// maxSetAside bounds how many deletions checkDeletions counts.
const maxSetAside = 1000

// checkDeletions finds deletions in S3 that could not be completed: what they let
// go of takes space, and no object refers to it.
func checkDeletions(ctx context.Context, dataDir string) (string, error) {
	st, err := sqlite.OpenReadOnly(ctx, databasePath(dataDir))
	if err != nil {
		return "", err
	}
	aside, err := s3.SetAside(ctx, st, maxSetAside)
	if err = errors.Join(err, st.Close()); err != nil {
		return "", err
	}
	if len(aside) == 0 {
		return "every deletion was completed, or will be", nil
	}
	number := fmt.Sprint(len(aside))
	if len(aside) == maxSetAside {
		number += " or more"
	}
	return "", fmt.Errorf("%s deletions cannot be completed, because their rows have rotted (the first: %s): "+
		"what they let go of stays on the disk, sealed, and takes its space; nothing else is concerned, but examine the disk", number, aside[0])
}
