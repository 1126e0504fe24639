package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/source/git"
)

// newBase is for the action, which fetches the commit if the clone lacks it.
func newBase(s streams) *cobra.Command {
	return &cobra.Command{
		Use:    "base",
		Short:  "Print the commit that scan --base auto compares with",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			repo, err := openRepo(cmd.Context())
			if err != nil {
				return err
			}
			found, err := findAuto(cmd.Context(), repo, s)
			if err != nil {
				return deepen(err)
			}
			if found.commit == "" {
				fmt.Fprintln(s.err, "hotpod:", found.name)
				return nil
			}
			_, err = fmt.Fprintln(s.out, found.commit)
			return err
		},
	}
}

// event is what GitHub says of what happened, as far as it matters here.
type event struct {
	Before      string `json:"before"`
	Ref         string `json:"ref"`
	PullRequest struct {
		Head struct {
			SHA string `json:"sha"`
		} `json:"head"`
		Base struct {
			Ref string `json:"ref"`
		} `json:"base"`
	} `json:"pull_request"`
	MergeGroup struct {
		BaseSHA string `json:"base_sha"`
	} `json:"merge_group"`
	Repository struct {
		DefaultBranch string `json:"default_branch"`
	} `json:"repository"`
}

// found is a commit to compare with, and what it is; without a commit there is
// nothing to compare with, and name says why.
type found struct{ commit, name string }

func autoBase(ctx context.Context, s streams) (*base, error) {
	repo, err := openRepo(ctx)
	if err != nil {
		return nil, err
	}
	f, err := findAuto(ctx, repo, s)
	if err != nil {
		return nil, deepen(err)
	}
	if f.commit == "" {
		fmt.Fprintln(s.err, "hotpod:", f.name)
		return nil, nil
	}
	commit, err := repo.Commit(ctx, f.commit)
	if err != nil {
		return nil, deepen(err)
	}
	return commitBase(ctx, repo, commit, f.name), nil
}

// findAuto chooses the base by what GitHub says has happened.
func findAuto(ctx context.Context, repo *git.Repo, s streams) (found, error) {
	name := s.env("GITHUB_EVENT_NAME")
	if name == "" {
		return found{}, errors.New("GITHUB_EVENT_NAME is not set: auto works in GitHub Actions; elsewhere name a revision")
	}
	var e event
	data, err := os.ReadFile(s.env("GITHUB_EVENT_PATH"))
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		return found{}, fmt.Errorf("reading the event from GITHUB_EVENT_PATH: %w", reason(err))
	}
	switch name {
	case "pull_request", "pull_request_target", "pull_request_review":
		return e.pullRequest(ctx, repo)
	case "merge_group":
		return found{e.MergeGroup.BaseSHA, "the base of the merge group"}, nil
	case "push":
		return e.push(ctx, repo)
	}
	return found{name: fmt.Sprintf("nothing to compare with on %s: every finding counts as new", name)}, nil
}

// pullRequest takes the first parent of the merge commit that GitHub made and
// checked out. The base that the event names is that of the day on which the
// pull request was opened: what was merged since would seem to be the pull
// request's own. Where its head is checked out instead, the base is where it
// left its target.
func (e event) pullRequest(ctx context.Context, repo *git.Repo) (found, error) {
	head, err := repo.Commit(ctx, "HEAD")
	if err != nil {
		return found{}, err
	}
	parents, err := repo.Parents(ctx, head)
	if err != nil {
		return found{}, err
	}
	pr := e.PullRequest.Head.SHA
	if len(parents) == 2 && head != pr && (pr == "" || parents[1] == pr) {
		return found{parents[0], "the target of the pull request"}, nil
	}
	if pr != "" && head != pr {
		return found{}, errors.New("what is checked out is neither the pull request's merge commit nor its head; leave ref of actions/checkout as it is")
	}
	return parted(ctx, repo, head, e.PullRequest.Base.Ref, "where the pull request left its target")
}

// push takes what the branch held before. A new branch held nothing: it is
// compared with where it left the default branch, if the clone holds that.
func (e event) push(ctx context.Context, repo *git.Repo) (found, error) {
	if strings.Trim(e.Before, "0") != "" {
		return found{e.Before, "the branch before the push"}, nil
	}
	fresh := found{name: "a new branch, and the clone does not hold where it left the default branch: every finding counts as new"}
	branch := e.Repository.DefaultBranch
	if branch == "" || e.Ref == "refs/heads/"+branch {
		return found{name: "the first push of the branch: every finding counts as new"}, nil
	}
	head, err := repo.Commit(ctx, "HEAD")
	if err != nil {
		return found{}, err
	}
	f, err := parted(ctx, repo, head, branch, "where the branch left "+branch)
	if err != nil {
		return fresh, ctx.Err()
	}
	return f, nil
}

// parted finds where a commit left a branch of the remote that it came from.
func parted(ctx context.Context, repo *git.Repo, head, branch, name string) (found, error) {
	tip, err := repo.Commit(ctx, "refs/remotes/origin/"+branch)
	if err != nil {
		return found{}, fmt.Errorf("%w; check out the merge commit, as actions/checkout does by default, or all of the history with fetch-depth: 0", err)
	}
	commit, err := repo.MergeBase(ctx, head, tip)
	return found{commit, name}, err
}
