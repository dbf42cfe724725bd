package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/server"
)

// branch is a line of a tree and what hangs on it.
type branch struct {
	text string
	sub  []branch
}

// print draws what hangs on b.
func (b branch) print(w io.Writer, indent string) {
	for i, s := range b.sub {
		mark, below := "├─ ", "│  "
		if i == len(b.sub)-1 {
			mark, below = "└─ ", "   "
		}
		printf(w, "%s%s%s\n", indent, mark, s.text)
		s.print(w, indent+below)
	}
}

// printExplanation prints an explanation as a tree.
func printExplanation(w io.Writer, e server.Explanation) {
	if r := e.Request; r != nil {
		printf(w, "request    %s, %s at %s\nrecorded   %s\n", r.ID, r.Event, r.Time.Format(time.RFC3339), r.Message)
		switch {
		case !r.Changed:
			printf(w, "today      the same\n")
		case e.Allowed:
			printf(w, "today      it would be allowed: the documents were changed since\n")
		default:
			printf(w, "today      refused for another reason: the documents were changed since\n")
		}
	}
	printf(w, "principal  %s\naction     %s\nresource   %s\n", e.Principal, e.Action, e.Resource)
	answer := "refused"
	if e.Allowed {
		answer = "allowed"
	}
	printf(w, "decision   %s: %s\n", answer, e.Message)
	for _, n := range e.Notes {
		printf(w, "note       %s\n", n)
	}
	var root branch
	for _, l := range e.Layers {
		root.sub = append(root.sub, layerBranch(l))
	}
	root.print(w, "")
	if len(e.Missing) > 0 {
		printf(w, "missing    %s\n", strings.Join(e.Missing, ", "))
	}
}

func layerBranch(l server.ExplainedLayer) branch {
	b := branch{text: l.Name + ": " + l.Says}
	for _, d := range l.Documents {
		b.sub = append(b.sub, documentBranch(d))
	}
	return b
}

func documentBranch(d server.ExplainedDocument) branch {
	b := branch{text: d.Name}
	if d.Says != "" {
		b.text += ": " + d.Says
	}
	for _, s := range d.Statements {
		b.sub = append(b.sub, statementBranch(s))
	}
	return b
}

func statementBranch(s server.ExplainedStatement) branch {
	text := fmt.Sprintf("statement %d", s.Index)
	if s.Sid != "" {
		text += fmt.Sprintf(" %q", s.Sid)
	}
	b := branch{text: text + ", " + s.Effect + ": does not apply"}
	if s.Applies {
		b.text = text + ", " + s.Effect + ": applies"
		if len(s.Why) > 0 {
			b.text += ", " + strings.Join(s.Why, ", ")
		}
	} else {
		for _, line := range s.Why {
			b.sub = append(b.sub, branch{text: line})
		}
	}
	for _, c := range s.Conditions {
		mark := "met:    "
		if !c.Met {
			mark = "not met: "
		}
		// Those that hold matter where the statement applies, or fails at another.
		b.sub = append(b.sub, branch{text: mark + c.Text()})
	}
	return b
}
