/* SPDX-License-Identifier: Apache-2.0 */
/* What ovsdb/ offers beside <vdpad/store.h>: OVS's command line options, its
 * status socket (unixctl), the store over its IDL, and the port to
 * ovs-vswitchd. */
#ifndef VDPAD_OVSDB_STORE_H
#define VDPAD_OVSDB_STORE_H 1

#include <vdpad/store.h>
#include <vdpad/vswitchd.h>

struct vdpad_loop;

struct vdpad_options {
    char *remote;       /* DATABASE, default unix:RUNDIR/db.sock. */
    char *unixctl_path; /* NULL: the default. */
    char *import_file;  /* --import FILE, else NULL. */
    bool dry_run;
};

/* Parses the command line: the options every OVS daemon has (daemon, vlog,
 * TLS, --unixctl, -h, -V) and ours.  The program's name is "ovs-vdpad"
 * whatever argv[0] says.  Without --pidfile the default one is asked for, so
 * that "ovs-appctl -t ovs-vdpad" works and a second instance does not start;
 * not where RUNDIR is not writable, nor in a dry run beside a daemon that
 * runs.  Prints help or version and exits where asked to; on a mistake prints
 * what is wrong and exits with status 1, as all OVS programs do.  Call
 * vdpad_options_free() on 'options' at the end. */
void vdpad_options_parse(int argc, char *argv[],
                         struct vdpad_options *options);
void vdpad_options_free(struct vdpad_options *options);

/* OVS's rundir ($OVS_RUNDIR or the compiled-in one), owned by the library. */
const char *vdpad_rundir(void);

/* First half of --detach: forks and makes the pidfile; exits with status 1
 * when another instance has it.  Before the loop is made.
 * vdpad_daemonize_complete() ends it: writes nothing more to the terminal,
 * lets the parent exit. */
void vdpad_daemonize_start(void);
void vdpad_daemonize_complete(void);

/* Connects (in the background, for ever retrying) to 'remote'.  With 'dry_run'
 * commit() is refused with -EROFS.  Never fails: a bad remote is shown by
 * is_connected() and in the log. */
struct vdpad_store *vdpad_ovsdb_store_new(const char *remote, bool dry_run);

/* The ovs-vswitchd whose pid file and status socket are in 'rundir'.  Never
 * fails: where none runs, calls end with -ENOENT. */
struct vdpad_vswitchd *vdpad_ovs_vswitchd_new(const char *rundir);

/* The status socket. */
struct vdpad_unixctl;
struct vdpad_request; /* One command that waits for its reply. */

/* Runs one command.  'argv[0]' is the command, 'argc' counts it; both are
 * borrowed until it returns.  Must end, now or later, in exactly one of
 * vdpad_request_reply() and vdpad_request_error(), also when the client or
 * even the socket is gone meanwhile. */
typedef void vdpad_command_cb(struct vdpad_request *, int argc,
                              const char *argv[], void *aux);

/* Opens the socket at 'path' (NULL: default RUNDIR/ovs-vdpad.PID.ctl).  The
 * command "exit" calls 'on_exit'.  Returns 0 or a negative errno. */
int vdpad_unixctl_new(const char *path, void (*on_exit)(void *aux), void *aux,
                      struct vdpad_unixctl **ret_unixctl);
void vdpad_unixctl_run(struct vdpad_unixctl *);
void vdpad_unixctl_wait(struct vdpad_unixctl *);
void vdpad_unixctl_destroy(struct vdpad_unixctl *);

/* Registers 'name' with 'usage' ("[NAME] [--json]"), 'min' to 'max'
 * arguments. */
void vdpad_command_register(const char *name, const char *usage, int min,
                            int max, vdpad_command_cb *cb, void *aux);
/* Answer and free 'request'.  'text' is borrowed. */
void vdpad_request_reply(struct vdpad_request *request, const char *text);
void vdpad_request_error(struct vdpad_request *request, const char *text);

#endif
