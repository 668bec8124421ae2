/* SPDX-License-Identifier: Apache-2.0 */
#include "ovsdb-fixture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCHEMA "/usr/share/openvswitch/vswitch.ovsschema"

/* Of every wait; emulated machines are slow. */
#define LIMIT_MS 60000

static void
die(const char *what)
{
    fprintf(stderr, "ovsdb-fixture: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

bool
ovsdb_fixture_is_possible(void)
{
    return !access(SCHEMA, R_OK)
           && !system("command -v ovsdb-server ovsdb-tool ovs-vsctl "
                      "ovs-appctl >/dev/null 2>&1");
}

static void
run(const struct ovsdb_fixture *f, const char *command)
{
    if (!ovsdb_fixture_join(ovsdb_fixture_spawn(f, command))) {
        die(command);
    }
}

void
ovsdb_fixture_start(struct ovsdb_fixture *f)
{
    char path[128];

    /* --detach returns once the server listens. */
    setenv("OPTIONS", f->options, 1);
    run(f,
        "ovsdb-server --detach --no-chdir --pidfile=$DIR/server.pid "
        "--unixctl=$DIR/server.ctl -vconsole:off --log-file=$DIR/server.log "
        "--remote=punix:$DIR/db.sock $OPTIONS $DIR/conf.db");
    snprintf(path, sizeof path, "%s/server.pid", f->dir);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%d", &f->pid) != 1) {
        die(path);
    }
    fclose(file);
}

/* How often the server's log tells a port, and the last one. */
static int
count_ports(const char *path, int *port)
{
    FILE *file = fopen(path, "r");
    char line[512];
    int n = 0;

    if (!file) {
        return 0;
    }
    while (fgets(line, sizeof line, file)) {
        const char *s = strstr(line, "listening on port ");
        if (s && strchr(s, '\n')) {
            *port = atoi(s + strlen("listening on port "));
            n++;
        }
    }
    fclose(file);
    return n;
}

int
ovsdb_fixture_listen(struct ovsdb_fixture *f, const char *method)
{
    char command[256], path[128];
    int port = 0;

    snprintf(path, sizeof path, "%s/server.log", f->dir);
    int before = count_ports(path, &port);

    snprintf(command, sizeof command,
             "ovs-appctl -t $DIR/server.ctl "
             "ovsdb-server/add-remote %s:0:127.0.0.1",
             method);
    run(f, command);
    /* The server, which listens now, tells the port in its log only; the log
     * is written by another thread, and has the ports of its predecessors. */
    for (int i = 0; count_ports(path, &port) == before; i++) {
        if (i == 12000) {
            die("no port in the log");
        }
        (void) poll(NULL, 0, 5);
    }
    return port;
}

void
ovsdb_fixture_stop(struct ovsdb_fixture *f)
{
    if (!f->pid) {
        return;
    }
    int fd = (int) syscall(SYS_pidfd_open, f->pid, 0);
    if (fd < 0) {
        die("pidfd_open");
    }
    kill(f->pid, SIGTERM);
    /* A stopped process handles signals when it goes on. */
    kill(f->pid, SIGCONT);
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    if (poll(&pfd, 1, LIMIT_MS) != 1) {
        die("ovsdb-server does not end");
    }
    close(fd);
    f->pid = 0;
}

void
ovsdb_fixture_renew(struct ovsdb_fixture *f)
{
    run(f, "rm -f $DIR/conf.db $DIR/.conf.db.~lock~ && "
           "ovsdb-tool create $DIR/conf.db " SCHEMA);
}

void
ovsdb_fixture_init(struct ovsdb_fixture *f)
{
    *f = (struct ovsdb_fixture){ .dir = "/tmp/vdpad-ovsdb-XXXXXX" };
    if (!mkdtemp(f->dir)) {
        die(f->dir);
    }
    snprintf(f->remote, sizeof f->remote, "unix:%s/db.sock", f->dir);
    ovsdb_fixture_renew(f);
    ovsdb_fixture_start(f);
}

void
ovsdb_fixture_done(struct ovsdb_fixture *f)
{
    ovsdb_fixture_stop(f);
    run(f, "rm -rf $DIR");
}

const char *
ovsdb_fixture_vsctl(const struct ovsdb_fixture *f, const char *arguments, ...)
{
    static char output[65536];
    char command[8192];
    va_list args;

    int n = snprintf(command, sizeof command, "ovs-vsctl --no-wait --db=%s ",
                     f->remote);
    va_start(args, arguments);
    vsnprintf(command + n, sizeof command - (size_t) n, arguments, args);
    va_end(args);

    FILE *pipe = popen(command, "r");
    if (!pipe) {
        die(command);
    }
    size_t len = fread(output, 1, sizeof output - 1, pipe);
    if (pclose(pipe)) {
        die(command);
    }
    output[len && output[len - 1] == '\n' ? len - 1 : len] = '\0';
    return output;
}

pid_t
ovsdb_fixture_spawn(const struct ovsdb_fixture *f, const char *command)
{
    pid_t pid = fork();

    if (pid < 0) {
        die("fork");
    }
    if (!pid) {
        char vsctl[160];

        snprintf(vsctl, sizeof vsctl, "ovs-vsctl --no-wait --db=%s",
                 f->remote);
        setenv("VSCTL", vsctl, 1);
        setenv("DIR", f->dir, 1);
        execl("/bin/sh", "sh", "-c", command, (char *) NULL);
        _exit(127);
    }
    return pid;
}

bool
ovsdb_fixture_join(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            die("waitpid");
        }
    }
    return WIFEXITED(status) && !WEXITSTATUS(status);
}
