/* SPDX-License-Identifier: Apache-2.0 */
#include <vdpad/netlink-kernel.h>

#include "glue-daemon.h"

static int
make_kernel(struct vdpad_loop *loop, void *aux, const char *lock_path,
            struct vdpad_kernel **ret_kernel, struct vdpad_error *why)
{
    const struct vdpad_netlink_options options = { .lock_path = lock_path };

    (void) aux;
    return vdpad_netlink_kernel_new(loop, &options, ret_kernel, why);
}

int
main(int argc, char *argv[])
{
    if (vdpad_worker_is_wanted(argc, argv)) {
        return vdpad_worker_main(argc, argv);
    }
    return vdpad_daemon_main(argc, argv, make_kernel, NULL);
}
