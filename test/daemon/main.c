/* SPDX-License-Identifier: Apache-2.0 */
/* test-ovs-vdpad: the daemon itself, over a fake kernel.  The environment
 * variable VDPAD_FAKE has commands that prepare the host, VDPAD_FAKE_STATE
 * names the file that it lives in; further commands come as fake/COMMAND on
 * the status socket (fake/help lists them). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/ovsdb-store.h>

#include "controller/glue-daemon.h"
#include "test/fake/fake-kernel.h"

static void
run_command(struct vdpad_request *request, int argc, const char *argv[],
            void *kernel)
{
    const char *args[32];
    char *reply = NULL;
    int error;

    args[0] = argv[0] + strlen("fake/");
    for (int i = 1; i < argc && i < 32; i++) {
        args[i] = argv[i];
    }
    error = fake_kernel_command(kernel, argc < 32 ? argc : 32, args, &reply);
    if (error) {
        vdpad_request_error(request, strerror(-error));
    } else {
        vdpad_request_reply(request, reply ? reply : "");
    }
    free(reply);
}

static int
make_kernel(struct vdpad_loop *loop, void *aux, const char *lock_path,
            struct vdpad_kernel **ret_kernel, struct vdpad_error *why)
{
    const char *state = getenv("VDPAD_FAKE_STATE");
    const char *script = getenv("VDPAD_FAKE");
    struct vdpad_kernel *kernel = fake_kernel_new(loop, state);
    int error;

    (void) aux;
    (void) lock_path;
    if (!kernel) {
        return vdpad_error_set(why, -EIO, "%s: no fake kernel", state);
    }
    error = script ? fake_kernel_script(kernel, script, why) : 0;
    if (error) {
        kernel->ops->destroy(kernel);
        return error;
    }
    for (size_t i = 0; i < fake_kernel_n_commands; i++) {
        char name[64];

        sim_text(name, sizeof name, "fake/%s", fake_kernel_commands[i]);
        vdpad_command_register(name, "", 0, 16, run_command, kernel);
    }
    *ret_kernel = kernel;
    return 0;
}

int
main(int argc, char *argv[])
{
    return vdpad_daemon_main(argc, argv, make_kernel, NULL);
}
