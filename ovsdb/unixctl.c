/* SPDX-License-Identifier: Apache-2.0 */
/* The status socket over OVS's unixctl server.
 *
 * A command may be answered later.  Until then libopenvswitch neither reads
 * from that client nor looks whether it is still there (lib/unixctl.c 3.1,
 * run_connection()), so the connection outlives its request; only closing the
 * whole server ends it earlier, and that is what 'pending' is for. */
#include <vdpad/ovsdb-store.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openvswitch/list.h>
#include <openvswitch/vlog.h>
#include <ovs/fatal-signal.h>
#include <ovs/memory.h>
#include <ovs/simap.h>
#include <ovs/unixctl.h>
#include <ovs/util.h>
#include <vdpad/log.h>

#include "internal.h"

/* Beside root its members may use the status socket.  Packages of Open vSwitch
 * that have a group call it so; where there is none it is root's alone. */
#define SOCKET_GROUP "openvswitch"

struct vdpad_unixctl {
    struct unixctl_server *server;
};

struct vdpad_request {
    struct ovs_list node;      /* In 'pending'. */
    struct unixctl_conn *conn; /* NULL: the server is gone. */
};

struct command {
    vdpad_command_cb *cb;
    void *aux;
};

/* Commands belong to the process in libopenvswitch, and so do these. */
static struct ovs_list pending = OVS_LIST_INITIALIZER(&pending);
static void (*exit_cb)(void *aux);
static void *exit_aux;

static void
on_command(struct unixctl_conn *conn, int argc, const char *argv[],
           void *command_)
{
    const struct command *command = command_;
    struct vdpad_request *request = xmalloc(sizeof *request);

    request->conn = conn;
    ovs_list_push_back(&pending, &request->node);
    command->cb(request, argc, argv, command->aux);
}

static void
finish(struct vdpad_request *request, const char *text,
       void (*reply)(struct unixctl_conn *, const char *))
{
    if (request->conn) {
        ovs_list_remove(&request->node);
        reply(request->conn, text);
    }
    free(request);
}

void
vdpad_request_reply(struct vdpad_request *request, const char *text)
{
    finish(request, text, unixctl_command_reply);
}

void
vdpad_request_error(struct vdpad_request *request, const char *text)
{
    finish(request, text, unixctl_command_reply_error);
}

void
vdpad_command_register(const char *name, const char *usage, int min, int max,
                       vdpad_command_cb *cb, void *aux)
{
    /* libopenvswitch keeps commands for the life of the process. */
    struct command *command = xmalloc(sizeof *command);

    command->cb = cb;
    command->aux = aux;
    unixctl_command_register(name, usage, min, max, on_command, command);
}

static void
on_exit_command(struct unixctl_conn *conn, int argc OVS_UNUSED,
                const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    if (exit_cb) {
        exit_cb(exit_aux);
    }
    unixctl_command_reply(conn, NULL);
}

/* Sets who may use the socket at 'path': OVS leaves that to the umask.  The
 * directory may belong to another user, hence not by name, and if that goes
 * wrong the socket stays with its owner alone. */
static void
restrict_socket(const char *path)
{
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    const struct group *group = getgrnam(SOCKET_GROUP);
    mode_t mode = group ? 0660 : 0600;
    char self[64];
    struct stat status;

    (void) snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (fd < 0 || fstat(fd, &status)) {
        vdpad_log(VDPAD_LOG_WARN, "%s: its permissions cannot be set: %s",
                  path, ovs_strerror(errno));
    } else if (!S_ISSOCK(status.st_mode)) {
        vdpad_log(VDPAD_LOG_WARN,
                  "%s: its permissions are not set: it is no socket", path);
    } else if (chmod(self, 0600)) {
        vdpad_log(VDPAD_LOG_WARN, "%s: its mode cannot be set: %s", path,
                  ovs_strerror(errno));
    } else if (group
               && fchownat(fd, "", (uid_t) -1, group->gr_gid, AT_EMPTY_PATH)) {
        vdpad_log(VDPAD_LOG_WARN,
                  "%s: cannot be given to the group %s (CAP_CHOWN is needed), "
                  "only its owner can use it: %s",
                  path, SOCKET_GROUP, ovs_strerror(errno));
    } else if (chmod(self, mode)) {
        vdpad_log(VDPAD_LOG_WARN, "%s: its mode cannot be set: %s", path,
                  ovs_strerror(errno));
    }
    if (fd >= 0) {
        (void) close(fd);
    }
}

int
vdpad_unixctl_new(const char *path, void (*on_exit)(void *aux), void *aux,
                  struct vdpad_unixctl **ret_unixctl)
{
    struct unixctl_server *server;

    /* A client may be gone before its answer. */
    fatal_ignore_sigpipe();
    int error = unixctl_server_create(path, &server);
    if (error) {
        return -error;
    }
    if (server) {
        restrict_socket(unixctl_server_get_path(server));
    }
    exit_cb = on_exit;
    exit_aux = aux;
    unixctl_command_register("exit", "", 0, 0, on_exit_command, NULL);
    /* These register vlog/... and memory/show. */
    vlog_init();
    memory_run();

    struct vdpad_unixctl *unixctl = xmalloc(sizeof *unixctl);
    unixctl->server = server;
    *ret_unixctl = unixctl;
    return 0;
}

void
vdpad_unixctl_run(struct vdpad_unixctl *unixctl)
{
    unixctl_server_run(unixctl->server);
    memory_run();
    if (memory_should_report()) {
        struct simap usage = SIMAP_INITIALIZER(&usage);

        vdpad_store_memory_usage(&usage);
        memory_report(&usage);
        simap_destroy(&usage);
    }
}

void
vdpad_unixctl_wait(struct vdpad_unixctl *unixctl)
{
    unixctl_server_wait(unixctl->server);
    memory_wait();
}

void
vdpad_unixctl_destroy(struct vdpad_unixctl *unixctl)
{
    struct vdpad_request *request;

    if (!unixctl) {
        return;
    }
    /* What is left belongs to its command, which still ends it some day. */
    LIST_FOR_EACH_POP(request, node, &pending)
    {
        unixctl_command_reply_error(request->conn, "ovs-vdpad is exiting");
        request->conn = NULL;
    }
    unixctl_server_destroy(unixctl->server);
    exit_cb = NULL;
    free(unixctl);
}
