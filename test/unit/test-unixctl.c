/* SPDX-License-Identifier: Apache-2.0 */
/* The command line and the status socket, the latter with the real ovs-appctl
 * as client. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <openvswitch/poll-loop.h>
#include <openvswitch/vlog.h>
#include <vdpad/log.h>
#include <vdpad/ovsdb-store.h>

/* Of every wait; emulated machines are slow. */
#define LIMIT_MS 60000

static char dir[] = "/tmp/vdpad-unixctl-XXXXXX";
static char path[64];
static struct vdpad_unixctl *unixctl;
static struct vdpad_request *held; /* By "test/hold". */
static bool exiting;

static long long
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
on_exit_command(void *aux)
{
    *(bool *) aux = true;
}

static void
on_echo(struct vdpad_request *request, int argc, const char *argv[], void *aux)
{
    char text[256] = "";

    for (int i = 0; i < argc; i++) {
        strcat(strcat(text, argv[i]), "|");
    }
    vdpad_request_reply(request, strcat(text, aux));
}

static void
on_fail(struct vdpad_request *request, int argc, const char *argv[], void *aux)
{
    (void) argc;
    (void) argv;
    (void) aux;
    vdpad_request_error(request, "no such device");
}

static void
on_hold(struct vdpad_request *request, int argc, const char *argv[], void *aux)
{
    (void) argc;
    (void) argv;
    (void) aux;
    assert_null(held);
    held = request;
}

/* As fork(); the child does not outlive a test that fails. */
static pid_t
fork_child(void)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

/* A process whose output is collected. */
struct child {
    pid_t pid;
    int fd;
    char output[65536];
    size_t len;
    int status; /* Exit status, once it has ended. */
};

static void
spawn(struct child *c, const char *command)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    c->pid = fork_child();
    if (!c->pid) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        execl("/bin/sh", "sh", "-c", command, (char *) NULL);
        _exit(127);
    }
    close(fds[1]);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    c->fd = fds[0];
    c->len = 0;
}

/* Waits for something to do, or for 'fd', and does it. */
static void
turn(int fd)
{
    if (unixctl) {
        vdpad_unixctl_wait(unixctl);
    }
    if (fd >= 0) {
        poll_fd_wait(fd, POLLIN);
        poll_timer_wait(1000);
    } else {
        poll_immediate_wake();
    }
    poll_block();
    if (unixctl) {
        vdpad_unixctl_run(unixctl);
    }
}

/* Takes turns until 'c' has ended. */
static void
finish(struct child *c)
{
    long long deadline = now_ms() + LIMIT_MS;

    for (;;) {
        ssize_t n = read(c->fd, c->output + c->len,
                         sizeof c->output - 1 - c->len);
        if (!n) {
            break;
        } else if (n > 0) {
            c->len += (size_t) n;
        } else {
            assert_int_equal(errno, EAGAIN);
            assert_true(now_ms() < deadline);
            turn(c->fd);
        }
    }
    close(c->fd);
    c->output[c->len] = '\0';
    int status;
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    c->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *
appctl(int expected_status, const char *arguments)
{
    static struct child c;
    char command[512];

    snprintf(command, sizeof command, "exec ovs-appctl -t %s %s", path,
             arguments);
    spawn(&c, command);
    finish(&c);
    if (c.status != expected_status) {
        print_error("%s: %s\n", arguments, c.output);
    }
    assert_int_equal(c.status, expected_status);
    return c.output;
}

static void
test_commands(void **state)
{
    static const char *const names[] = {
        "exit",     "version",   "memory/show", "coverage/show",
        "vlog/set", "vlog/list", "vlog/reopen", "test/echo",
    };
    const char *out = appctl(0, "list-commands");

    (void) state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strstr(out, names[i])) {
            fail_msg("no %s in: %s", names[i], out);
        }
    }
    assert_non_null(strstr(out, "[NAME] [--json]"));
    assert_non_null(strstr(appctl(0, "version"), "ovs-vdpad " VDPAD_VERSION));
    assert_non_null(strstr(appctl(0, "vlog/list"), "vdpad "));
    appctl(0, "memory/show");
    appctl(0, "coverage/show");
    appctl(0, "vlog/set vdpad:file:dbg");

    assert_string_equal(appctl(0, "test/echo a 'b c'"),
                        "test/echo|a|b c|aux\n");
    assert_string_equal(appctl(0, "test/echo"), "test/echo|aux\n");
    assert_non_null(
        strstr(appctl(2, "test/echo 1 2 3"), "takes at most 2 arguments"));
    assert_non_null(strstr(appctl(2, "test/fail"), "no such device"));
    assert_non_null(strstr(appctl(2, "nosuch"), "not a valid command"));
}

static void
wait_for_request(const struct child *c)
{
    long long deadline = now_ms() + LIMIT_MS;

    while (!held) {
        assert_true(now_ms() < deadline);
        turn(c->fd);
    }
}

/* Root's alone, and the group's where there is one. */
static void
test_permissions(void **state)
{
    const struct group *group = getgrnam("openvswitch");
    struct stat status;

    (void) state;
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_uid, geteuid());
    if (group && status.st_gid == group->gr_gid) {
        assert_int_equal(status.st_mode & 07777, 0660);
    } else {
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_true(!group || geteuid());
    }
}

static void
test_late_replies(void **state)
{
    static struct child c;
    char command[256];

    (void) state;
    snprintf(command, sizeof command, "exec ovs-appctl -t %s test/hold", path);
    spawn(&c, command);
    wait_for_request(&c);
    /* Others are served meanwhile. */
    assert_string_equal(appctl(0, "test/echo x"), "test/echo|x|aux\n");
    vdpad_request_reply(held, "late");
    held = NULL;
    finish(&c);
    assert_int_equal(c.status, 0);
    assert_string_equal(c.output, "late\n");

    /* The client does not wait for it. */
    spawn(&c, command);
    wait_for_request(&c);
    kill(c.pid, SIGKILL);
    finish(&c);
    turn(-1);
    vdpad_request_error(held, "nobody hears this");
    held = NULL;
    turn(-1);
    assert_string_equal(appctl(0, "test/echo y"), "test/echo|y|aux\n");
}

static void
test_exit(void **state)
{
    static struct child c;
    char command[256];

    (void) state;
    assert_false(exiting);
    assert_string_equal(appctl(0, "exit"), "");
    assert_true(exiting);

    /* A command that is pending when the socket closes. */
    snprintf(command, sizeof command, "exec ovs-appctl -t %s test/hold", path);
    spawn(&c, command);
    wait_for_request(&c);
    vdpad_unixctl_destroy(unixctl);
    unixctl = NULL;
    vdpad_request_reply(held, "too late");
    held = NULL;
    assert_int_equal(
        vdpad_unixctl_new(path, on_exit_command, &exiting, &unixctl), 0);
    finish(&c);
    assert_int_equal(c.status, 2);
    assert_non_null(strstr(c.output, "ovs-vdpad is exiting"));
}

static void
test_bad_path(void **state)
{
    struct vdpad_unixctl *other;

    (void) state;
    assert_int_equal(
        vdpad_unixctl_new("/nonexistent/x.ctl", NULL, NULL, &other), -ENOENT);
}

/* Runs vdpad_options_parse() in a process of its own and prints what came of
 * it.  Returns its exit status. */
static int
parse(const char *const *args, char *output, size_t size)
{
    char *argv[16] = { (char *) "/some/where/test" };
    int argc = 1, fds[2];

    for (; args[argc - 1]; argc++) {
        argv[argc] = (char *) (uintptr_t) args[argc - 1];
    }
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork_child();
    if (!pid) {
        struct vdpad_options o;

        dup2(fds[1], 1);
        dup2(fds[1], 2);
        vdpad_options_parse(argc, argv, &o);
        printf("remote=%s unixctl=%s import=%s dry_run=%d\n", o.remote,
               o.unixctl_path ? o.unixctl_path : "-",
               o.import_file ? o.import_file : "-", o.dry_run);
        vdpad_options_free(&o);
        vdpad_daemonize_start();
        vdpad_daemonize_complete();
        vdpad_log(VDPAD_LOG_WARN, "%s", "one\nline \x1b[31m 100%s");
        struct stat st;
        char file[128];
        snprintf(file, sizeof file, "%s/ovs-vdpad.pid", vdpad_rundir());
        printf("pidfile=%d\n", !stat(file, &st));
        fflush(NULL);
        /* Not _exit(): it must remove the pidfile. */
        exit(EXIT_SUCCESS);
    }
    close(fds[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(fds[0], output + len, size - 1 - len)) > 0;) {
        len += (size_t) n;
    }
    output[len] = '\0';
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
test_options(void **state)
{
    static const struct {
        const char *args[8];
        int status;
        const char *output[3];
    } cases[] = {
        { { NULL },
          0,
          { "db.sock unixctl=- import=- dry_run=0", "pidfile=1" } },
        { { "--dry-run", "tcp:1.2.3.4:6640", NULL },
          0,
          { "remote=tcp:1.2.3.4:6640 ", "dry_run=1" } },
        { { "--unixctl=/x.ctl", "--import", "f.yaml", "unix:/a", NULL },
          0,
          { "remote=unix:/a unixctl=/x.ctl import=f.yaml", "pidfile=0" } },
        { { "--pidfile=other.pid", NULL }, 0, { "pidfile=0" } },
        { { "-vconsole:off", "-vfile:dbg", "--no-chdir", NULL },
          0,
          { "remote=unix:" } },
        { { "-h", NULL },
          0,
          { "usage: ovs-vdpad [OPTIONS] [DATABASE]", "--dry-run",
            "--import FILE" } },
        { { "--help", NULL },
          0,
          { "--pidfile[=FILE]", "--detach", "--private-key=FILE" } },
        { { "--help", NULL },
          0,
          { "--log-file", "--verbose", "--bootstrap-ca-cert" } },
        { { "-V", NULL }, 0, { "ovs-vdpad " VDPAD_VERSION, "Open vSwitch" } },
        { { "a", "b", NULL }, 1, { "at most one non-option argument" } },
        { { "--nosuch", NULL }, 1, { "unrecognized option" } },
        { { "--import", NULL }, 1, { "requires an argument" } },
        { { "-vnosuch:dbg", NULL }, 1, { "nosuch" } },
    };
    static char output[65536];

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = parse(cases[i].args, output, sizeof output);
        bool ok = status == cases[i].status;
        for (size_t j = 0; j < 3 && cases[i].output[j]; j++) {
            ok = ok && strstr(output, cases[i].output[j]);
        }
        if (!ok) {
            fail_msg("case %zu: status %d, output %s", i, status, output);
        }
    }
}

/* A line of the log stays one line. */
static void
test_log(void **state)
{
    static const char *const args[] = { "-vconsole:warn", NULL };
    static char output[65536];

    (void) state;
    assert_int_equal(parse(args, output, sizeof output), 0);
    assert_non_null(strstr(output, "|vdpad|WARN|one?line ?[31m 100%s\n"));
}

/* ovs-appctl finds the daemon by name; a second instance does not start. */
static void
test_pidfile(void **state)
{
    static const char *const plain[] = { NULL };
    static const char *const dry[] = { "--dry-run", NULL };
    static char output[65536];
    static struct child c;
    int ready[2];

    (void) state;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork_child();
    if (!pid) {
        char *argv[] = { (char *) "x", NULL };
        struct vdpad_options o;
        struct vdpad_unixctl *u;
        bool done = false;

        vdpad_options_parse(1, argv, &o);
        vdpad_options_free(&o);
        vdpad_daemonize_start();
        if (vdpad_unixctl_new(NULL, on_exit_command, &done, &u)
            || write(ready[1], "", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            vdpad_unixctl_run(u);
            if (done) {
                break;
            }
            vdpad_unixctl_wait(u);
            poll_block();
        }
        vdpad_unixctl_destroy(u);
        exit(EXIT_SUCCESS);
    }
    close(ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);

    assert_int_equal(parse(plain, output, sizeof output), 1);
    assert_non_null(strstr(output, "already running as pid"));
    /* One that only looks may do so, and leaves the pidfile alone. */
    assert_int_equal(parse(dry, output, sizeof output), 0);
    spawn(&c, "ovs-appctl -t ovs-vdpad version && "
              "ovs-appctl -t ovs-vdpad exit");
    finish(&c);
    assert_int_equal(c.status, 0);
    assert_non_null(strstr(c.output, "ovs-vdpad " VDPAD_VERSION));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(ready[0]);

    char file[128];
    snprintf(file, sizeof file, "%s/ovs-vdpad.pid", dir);
    assert_int_equal(access(file, F_OK), -1);
}

static int
setup(void **state)
{
    /* Static: libopenvswitch puts copies into it, and keeps them. */
    static char *argv[] = { (char *) "x", (char *) "-vconsole:off",
                            (char *) "--pidfile=unused.pid", NULL };
    struct vdpad_options options;

    (void) state;
    vdpad_options_parse(3, argv, &options);
    vdpad_options_free(&options);
    snprintf(path, sizeof path, "%s/test.ctl", dir);
    vdpad_command_register("test/echo", "[NAME] [--json]", 0, 2, on_echo,
                           (void *) "aux");
    vdpad_command_register("test/fail", "", 0, 0, on_fail, NULL);
    vdpad_command_register("test/hold", "", 0, 0, on_hold, NULL);
    return vdpad_unixctl_new(path, on_exit_command, &exiting, &unixctl);
}

static int
teardown(void **state)
{
    (void) state;
    vdpad_unixctl_destroy(unixctl);
    vdpad_unixctl_destroy(NULL);
    return 0;
}

int
main(void)
{
    static const struct CMUnitTest options_tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_pidfile),
    };
    static const struct CMUnitTest socket_tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_late_replies),
        cmocka_unit_test(test_exit),
        cmocka_unit_test(test_bad_path),
    };
    char command[64];

    if (system("command -v ovs-appctl >/dev/null")) {
        fprintf(stderr, "skipped: ovs-appctl is missing\n");
        return 77;
    }
    if (!mkdtemp(dir)) {
        return 1;
    }
    setenv("OVS_RUNDIR", dir, 1);
    setenv("OVS_LOGDIR", dir, 1);
    /* These fork before libopenvswitch has any state. */
    int failed = cmocka_run_group_tests(options_tests, NULL, NULL);
    failed += cmocka_run_group_tests(socket_tests, setup, teardown);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    failed += !!system(command);
    return failed;
}
