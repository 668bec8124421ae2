/* SPDX-License-Identifier: Apache-2.0 */
#include "glue-daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <vdpad/log.h>
#include <vdpad/loop.h>
#include <vdpad/ovsdb-store.h>
#include <vdpad/poll-bridge.h>

#include "cmd.h"
#include "ctl.h"
#include "glue-import.h"
#include "glue-notify.h"
#include "util.h"

struct daemon {
    struct vdpad_loop *loop;
    struct vdpad_poll_bridge *bridge;
    struct vdpad_kernel *kernel;
    struct vdpad_store *store;
    struct vdpad_vswitchd *vswitchd;
    struct vdpad_unixctl *unixctl;
    struct vdpad_ctl *ctl;
    struct vdpad_notify *notify;
};

static void
on_signal(struct vdpad_loop *loop, int signo, void *aux)
{
    (void) aux;
    vdpad_log(VDPAD_LOG_INFO, "%s: the data path stays as it is",
              strsignal(signo));
    vdpad_loop_stop(loop);
}

static void
on_exit_command(void *aux)
{
    struct daemon *d = aux;

    vdpad_loop_stop(d->loop);
}

/* The members of the bridge, in this order: the world that the commands show
 * borrows from the store's snapshot, so that the controller has to look at a
 * new one before any command does. */

static void
run_store(void *aux)
{
    struct daemon *d = aux;

    d->store->ops->run(d->store);
    d->vswitchd->ops->run(d->vswitchd);
    vdpad_ctl_run(d->ctl, vdpad_loop_clock_ns());
    vdpad_notify_run(d->notify, d->ctl, vdpad_loop_clock_ns());
}

static void
wait_store(void *aux)
{
    struct daemon *d = aux;

    d->store->ops->wait(d->store);
    vdpad_ctl_wait(d->ctl);
    d->vswitchd->ops->wait(d->vswitchd);
    vdpad_notify_wait(d->notify, d->loop);
}

static void
run_unixctl(void *aux)
{
    vdpad_unixctl_run(aux);
    vdpad_commands_run(vdpad_loop_clock_ns());
}

static void
wait_unixctl(void *aux)
{
    vdpad_unixctl_wait(aux);
    vdpad_commands_wait();
}

/* One daemon acts on a host: the record belongs to one writer.  Returns the
 * locked file 'name', which stays open until the process ends, or -1. */
static int
lock_record(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        vdpad_log(VDPAD_LOG_ERR, "%s: %s", name, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        vdpad_log(VDPAD_LOG_ERR,
                  "%s is locked: another ovs-vdpad is at work "
                  "on this host (ovs-appctl -t ovs-vdpad status)",
                  name);
        close(fd);
        return -1;
    }
    return fd;
}

static int
start(struct daemon *d, const struct vdpad_options *options,
      vdpad_kernel_factory *factory, void *aux, const char *record,
      const char *lock_path)
{
    struct vdpad_ctl_options ctl = { .dry_run = options->dry_run,
                                     .record_path = record };
    struct vdpad_error why;

    if (vdpad_loop_new(&d->loop)) {
        vdpad_log(VDPAD_LOG_ERR, "no event loop: %s", strerror(errno));
        return -1;
    }
    (void) vdpad_loop_on_signal(d->loop, SIGTERM, on_signal, NULL);
    (void) vdpad_loop_on_signal(d->loop, SIGINT, on_signal, NULL);
    if (vdpad_poll_bridge_new(&d->bridge)) {
        vdpad_log(VDPAD_LOG_ERR, "libopenvswitch's poll loop cannot be "
                                 "bridged");
        return -1;
    }
    /* The kernel port has locks of another kind on it (F_OFD_SETLK). */
    if (factory(d->loop, aux, options->dry_run ? NULL : lock_path, &d->kernel,
                &why)) {
        vdpad_log(VDPAD_LOG_ERR, "%s", why.text);
        return -1;
    }
    if (vdpad_unixctl_new(options->unixctl_path, on_exit_command, d,
                          &d->unixctl)) {
        vdpad_log(VDPAD_LOG_ERR, "the status socket cannot be opened");
        return -1;
    }
    d->store = vdpad_ovsdb_store_new(options->remote, options->dry_run);
    d->vswitchd = vdpad_ovs_vswitchd_new(vdpad_rundir());
    ctl.vswitchd = d->vswitchd;
    d->ctl = vdpad_ctl_new(d->loop, d->kernel, d->store, &ctl);
    d->notify = vdpad_notify_new();
    vdpad_commands_register(d->ctl, d->loop);
    (void) vdpad_poll_bridge_add(d->bridge, run_store, wait_store, d);
    (void) vdpad_poll_bridge_add(d->bridge, run_unixctl, wait_unixctl,
                                 d->unixctl);
    vdpad_loop_set_source(d->loop, vdpad_poll_bridge_source(d->bridge));
    return 0;
}

static void
stop(struct daemon *d)
{
    vdpad_notify_free(d->notify);
    if (d->loop) {
        vdpad_loop_set_source(d->loop, NULL);
    }
    vdpad_commands_done();
    vdpad_unixctl_destroy(d->unixctl);
    vdpad_ctl_free(d->ctl);
    if (d->store) {
        d->store->ops->destroy(d->store);
    }
    if (d->vswitchd) {
        d->vswitchd->ops->destroy(d->vswitchd);
    }
    if (d->kernel) {
        d->kernel->ops->destroy(d->kernel);
    }
    vdpad_poll_bridge_free(d->bridge);
    vdpad_loop_free(d->loop);
}

int
vdpad_daemon_main(int argc, char *argv[], vdpad_kernel_factory *factory,
                  void *aux)
{
    struct vdpad_options options;
    struct daemon d = { 0 };
    char record[4096], lock_path[4096];
    int error = -1;

    vdpad_options_parse(argc, argv, &options);
    if (options.import_file) {
        int status = vdpad_import_main(options.import_file);

        vdpad_options_free(&options);
        return status;
    }
    vdpad_text(record, sizeof record, "%s/ovs-vdpad.record", vdpad_rundir());
    vdpad_text(lock_path, sizeof lock_path, "%s/ovs-vdpad.record.lock",
               vdpad_rundir());
    vdpad_daemonize_start();

    int lock = options.dry_run ? -2 : lock_record(lock_path);

    if (lock != -1) {
        error = start(&d, &options, factory, aux, record, lock_path);
    }
    if (!error) {
        vdpad_daemonize_complete();
        vdpad_loop_run(d.loop);
    }
    stop(&d);
    vdpad_options_free(&options);
    if (lock >= 0) {
        close(lock);
    }
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
