package cluster

import "syscall"

// processAttributes ties a process to us: it is killed when the thread that
// started it ends, even where we are killed ourselves; and it is out of the
// terminal's process group, so that Ctrl-C reaches it through us only.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
