//go:build !linux

package cluster

import "syscall"

// processAttributes has nothing to offer here: processes are ended by Stop and
// by the context, but outlive us where we are killed without a chance to act.
func processAttributes() *syscall.SysProcAttr { return nil }
