/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, and what OVS's daemon library does with it. */
#include <vdpad/ovsdb-store.h>

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openvswitch/util.h>
#include <openvswitch/vlog.h>
#include <ovs/command-line.h>
#include <ovs/daemon.h>
#include <ovs/dirs.h>
#include <ovs/stream-ssl.h>
#include <ovs/util.h>
#include <vdpad/log.h>

#include "internal.h"

#define PROGRAM "ovs-vdpad"

OVS_NO_RETURN static void
usage(void)
{
    printf("%s: provisions vDPA devices for hardware offload, beside "
           "ovs-vswitchd\n"
           "usage: %s [OPTIONS] [DATABASE]\n"
           "where DATABASE is a socket on which ovsdb-server is listening\n"
           "      (default: \"unix:%s/db.sock\").\n",
           program_name, program_name, ovs_rundir());
    stream_usage("DATABASE", true, false, true);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --dry-run                 observe and plan, change nothing\n"
           "  --import FILE             print the ovs-vsctl command that sets "
           "the policies\n"
           "                            of a SriovNetworkNodePolicy YAML, and "
           "exit\n"
           "  --unixctl=SOCKET          override default control socket name\n"
           "  -h, --help                display this help message\n"
           "  -V, --version             display version information\n"
           "\nWithout --pidfile, the default pidfile is made if its directory "
           "is writable,\n"
           "so that \"ovs-appctl -t %s\" finds the daemon.\n"
           "Configuration: external_ids:vdpa-* of the Open_vSwitch table, see "
           "%s(8).\n",
           PROGRAM, PROGRAM);
    exit(EXIT_SUCCESS);
}

/* ovs-appctl finds a daemon by its pidfile, which OVS's own daemons have from
 * their start scripts.  Ours is always there where it can be: it is also what
 * keeps a second instance from acting on the same host. */
static void
default_pidfile(bool dry_run)
{
    const char *rundir = ovs_rundir();
    char *path = xasprintf("%s/%s.pid", rundir, program_name);

    if (mkdir(rundir, 0755) && errno != EEXIST) {
        vdpad_log(VDPAD_LOG_WARN,
                  "%s: no pidfile, ovs-appctl needs the path of the control "
                  "socket: %s",
                  rundir, ovs_strerror(errno));
    } else if (access(rundir, W_OK)) {
        vdpad_log(VDPAD_LOG_WARN,
                  "%s: not writable, no pidfile, ovs-appctl needs the path "
                  "of the control socket",
                  rundir);
    } else if (dry_run && access(path, F_OK) == 0 && read_pidfile(path) > 0) {
        vdpad_log(VDPAD_LOG_INFO,
                  "%s belongs to the instance that is at work; this one, "
                  "which only looks, has none",
                  path);
    } else {
        set_pidfile(NULL);
    }
    free(path);
}

/* Keeps the names of files that may be replaced. */
static void
note_tls_file(int option, int bootstrap)
{
    if (option == 'p') {
        vdpad_tls_note(VDPAD_TLS_KEY, optarg, false);
    } else if (option == 'c') {
        vdpad_tls_note(VDPAD_TLS_CERTIFICATE, optarg, false);
    } else if (option == 'C' || option == bootstrap) {
        vdpad_tls_note(VDPAD_TLS_CA, optarg, option == bootstrap);
    }
}

void
vdpad_options_parse(int argc, char *argv[], struct vdpad_options *options)
{
    enum {
        OPT_UNIXCTL = UCHAR_MAX + 1,
        OPT_IMPORT,
        OPT_DRY_RUN,
        OPT_PEER_CA_CERT,
        OPT_BOOTSTRAP_CA_CERT,
        VLOG_OPTION_ENUMS,
        DAEMON_OPTION_ENUMS,
        SSL_OPTION_ENUMS,
    };
    static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { "unixctl", required_argument, NULL, OPT_UNIXCTL },
        { "import", required_argument, NULL, OPT_IMPORT },
        { "dry-run", no_argument, NULL, OPT_DRY_RUN },
        VLOG_LONG_OPTIONS,
        DAEMON_LONG_OPTIONS,
        STREAM_SSL_LONG_OPTIONS,
        { "peer-ca-cert", required_argument, NULL, OPT_PEER_CA_CERT },
        { "bootstrap-ca-cert", required_argument, NULL,
          OPT_BOOTSTRAP_CA_CERT },
        { NULL, 0, NULL, 0 },
    };
    bool has_pidfile = false;

    /* Not argv[0]: the names of the pidfile and of the control socket, by
     * which ovs-appctl finds us, follow from this. */
    ovs_set_program_name(PROGRAM, VDPAD_VERSION);
    ovs_cmdl_proctitle_init(argc, argv);
    *options = (struct vdpad_options){ .dry_run = false };

    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    for (;;) {
        int c = getopt_long(argc, argv, short_options, long_options, NULL);

        if (c == -1) {
            break;
        }
        has_pidfile = has_pidfile || c == OPT_PIDFILE;
        note_tls_file(c, OPT_BOOTSTRAP_CA_CERT);
        switch (c) {
        case 'h':
            usage();

        case 'V':
            ovs_print_version(0, 0);
            exit(EXIT_SUCCESS);

        case OPT_UNIXCTL:
            free(options->unixctl_path);
            options->unixctl_path = xstrdup(optarg);
            break;

        case OPT_IMPORT:
            free(options->import_file);
            options->import_file = xstrdup(optarg);
            break;

        case OPT_DRY_RUN:
            options->dry_run = true;
            break;

            VLOG_OPTION_HANDLERS
            DAEMON_OPTION_HANDLERS
            STREAM_SSL_OPTION_HANDLERS

        case OPT_PEER_CA_CERT:
            stream_ssl_set_peer_ca_cert_file(optarg);
            break;

        case OPT_BOOTSTRAP_CA_CERT:
            stream_ssl_set_ca_cert_file(optarg, true);
            break;

        case '?':
            exit(EXIT_FAILURE);

        default:
            abort();
        }
    }
    free(short_options);

    if (argc - optind > 1) {
        ovs_fatal(0, "at most one non-option argument accepted; use --help "
                     "for usage");
    }
    options->remote = optind < argc
                          ? xstrdup(argv[optind])
                          : xasprintf("unix:%s/db.sock", ovs_rundir());
    if (!has_pidfile && !options->import_file) {
        default_pidfile(options->dry_run);
    }
}

void
vdpad_options_free(struct vdpad_options *options)
{
    free(options->remote);
    free(options->unixctl_path);
    free(options->import_file);
    *options = (struct vdpad_options){ .dry_run = false };
}

const char *
vdpad_rundir(void)
{
    return ovs_rundir();
}

/* daemonize_start() has one parameter in some releases of OVS and two in
 * others (access_datapath, access_hardware_ports).  The first keeps, with
 * --user, the capabilities that changing network devices takes. */
OVS_UNUSED static void
start_1(void (*start)(bool))
{
    start(true);
}

OVS_UNUSED static void
start_2(void (*start)(bool, bool))
{
    start(true, false);
}

void
vdpad_daemonize_start(void)
{
    _Generic(&daemonize_start, void (*)(bool)
             : start_1, default
             : start_2)(&daemonize_start);
}

void
vdpad_daemonize_complete(void)
{
    daemonize_complete();
}
