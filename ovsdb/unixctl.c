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
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openvswitch/list.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/vlog.h>
#include <ovs/fatal-signal.h>
#include <ovs/memory.h>
#include <ovs/simap.h>
#include <ovs/timeval.h>
#include <ovs/unixctl.h>
#include <ovs/util.h>
#include <vdpad/log.h>

#include "internal.h"

/* Beside root its members may use the status socket.  Packages of Open vSwitch
 * that have a group call it so; where there is none it is root's alone. */
#define SOCKET_GROUP "openvswitch"

/* Descriptors that clients of the socket cannot take: those of helper
 * processes, of the database and of metrics come out of them.  Of a smaller
 * limit, half. */
#define RESERVED_FDS 128

/* While clients have all the others, the socket is looked at this often.
 * libopenvswitch would have the loop turn for ever about a connection that it
 * cannot accept. */
#define CROWDED_MS 100

struct vdpad_unixctl {
    struct unixctl_server *server;
    bool is_crowded;
    long long int next_ms; /* If so: when to look again. */
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
        vdpad_log(VDPAD_LOG_WARN,
                  "%s: cannot be kept to its owner while its group is set: "
                  "%s",
                  path, ovs_strerror(errno));
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

    struct vdpad_unixctl *unixctl = xzalloc(sizeof *unixctl);
    unixctl->server = server;
    *ret_unixctl = unixctl;
    return 0;
}

/* Whether the lowest free descriptor is below 'limit'. */
static bool
has_descriptor(rlim_t limit)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd >= 0) {
        (void) close(fd);
    }
    return fd >= 0 && (rlim_t) fd < limit;
}

/* Serves the clients, who get no descriptor of the reserved ones. */
static void
run_server(struct vdpad_unixctl *unixctl)
{
    struct rlimit all, theirs;
    bool was_crowded = unixctl->is_crowded;

    if (getrlimit(RLIMIT_NOFILE, &all)) {
        unixctl_server_run(unixctl->server);
        return;
    }
    theirs = all;
    theirs.rlim_cur = all.rlim_cur > 2 * RESERVED_FDS
                          ? all.rlim_cur - RESERVED_FDS
                          : all.rlim_cur / 2;
    (void) setrlimit(RLIMIT_NOFILE, &theirs);
    unixctl_server_run(unixctl->server);
    (void) setrlimit(RLIMIT_NOFILE, &all);
    unixctl->is_crowded = !has_descriptor(theirs.rlim_cur);
    unixctl->next_ms = time_msec() + CROWDED_MS;
    if (unixctl->is_crowded && !was_crowded) {
        vdpad_log(VDPAD_LOG_WARN,
                  "the status socket has so many clients that no more are "
                  "accepted (limit of descriptors %llu, %llu of which are "
                  "not for them): see who keeps connections open, ss -xp",
                  (unsigned long long) all.rlim_cur,
                  (unsigned long long) (all.rlim_cur - theirs.rlim_cur));
    }
}

void
vdpad_unixctl_run(struct vdpad_unixctl *unixctl)
{
    if (!unixctl->is_crowded || time_msec() >= unixctl->next_ms) {
        run_server(unixctl);
    }
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
    if (unixctl->is_crowded) {
        poll_timer_wait_until(unixctl->next_ms);
    } else {
        unixctl_server_wait(unixctl->server);
    }
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
