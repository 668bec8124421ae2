/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the parts together to the daemon. */
#ifndef VDPAD_GLUE_DAEMON_H
#define VDPAD_GLUE_DAEMON_H 1

#include <vdpad/kernel.h>

struct vdpad_loop;

/* Makes the kernel port that the daemon is to work on.  'lock_path': see
 * <vdpad/netlink-kernel.h>; NULL when it takes no steps. */
typedef int vdpad_kernel_factory(struct vdpad_loop *loop, void *aux,
                                 const char *lock_path,
                                 struct vdpad_kernel **ret_kernel,
                                 struct vdpad_error *why);

/* The daemon's main(): parses the command line, runs until SIGTERM, SIGINT or
 * the command "exit", and returns the exit status. */
int vdpad_daemon_main(int argc, char *argv[], vdpad_kernel_factory *factory,
                      void *aux);

#endif
