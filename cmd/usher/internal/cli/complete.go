package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
)

// completionLimit is how long a shell that asks for names is kept waiting.
const completionLimit = time.Second

// present is the status for completion; nothing where no daemon answers.
func (a *app) present(cmd *cobra.Command) api.Status {
	var s api.Status
	c, err := a.client()
	if err != nil {
		return s
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionLimit)
	defer cancel()
	if c.Get(ctx, "/api/v1/status", &s) != nil {
		return api.Status{}
	}
	return s
}

// completeNames completes the instances and virtual servers that are not there yet.
func (a *app) completeNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	s := a.present(cmd)
	for _, i := range s.Instances {
		if !slices.Contains(args, i.Name) {
			names = append(names, i.Name+"\t"+i.State)
		}
	}
	for _, v := range s.VirtualServers {
		if !slices.Contains(args, v.Name) {
			names = append(names, v.Name+"\t"+v.Address)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeInstance(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) == 0 {
		for _, i := range a.present(cmd).Instances {
			names = append(names, i.Name+"\t"+i.State)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeServer completes a virtual server, then one of its real servers.
func (a *app) completeServer(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) < 2 {
		for _, v := range a.present(cmd).VirtualServers {
			switch {
			case len(args) == 0:
				names = append(names, v.Name+"\t"+v.Address)
			case v.Name == args[0]:
				for _, r := range v.RealServers {
					names = append(names, r.Address+"\t"+r.State)
				}
				for _, r := range v.Absent {
					names = append(names, r.Address+"\tnot in the pool")
				}
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeAnnouncement(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) == 0 {
		for _, n := range a.present(cmd).Announcements {
			names = append(names, n.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
