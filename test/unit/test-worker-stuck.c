/* SPDX-License-Identifier: Apache-2.0 */
/* Helper processes that hang, die or are signalled.  What hangs in the kernel
 * is played by a helper that is stopped. */
#include "test-worker.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "netlink/protocol.h"

/* The first line of a file of /proc/PID; false when the process has ended. */
static bool
read_proc(pid_t pid, const char *file, char *text, size_t size)
{
    char path[64];
    FILE *stream;
    size_t n;

    (void) snprintf(path, sizeof path, "/proc/%d/%s", (int) pid, file);
    stream = fopen(path, "re");
    if (!stream) {
        return false;
    }
    n = fread(text, 1, size - 1, stream);
    text[n] = '\0';
    (void) fclose(stream);
    return n > 0;
}

/* Our child whose last argument is 'role', or 0. */
static pid_t
find_helper(const char *role)
{
    const struct dirent *entry;
    DIR *dir = opendir("/proc");
    pid_t found = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) && !found) {
        pid_t pid = (pid_t) atoi(entry->d_name);
        char stat[256], cmdline[256];
        const char *p;
        int parent = 0;

        memset(cmdline, 0, sizeof cmdline);
        if (pid <= 0 || !read_proc(pid, "stat", stat, sizeof stat)
            || !read_proc(pid, "cmdline", cmdline, sizeof cmdline)) {
            continue;
        }
        p = strrchr(stat, ')');
        if (!p || sscanf(p + 1, " %*c %d", &parent) != 1
            || parent != getpid()) {
            continue;
        }
        p = cmdline + strlen(cmdline) + 1;
        p += strlen(p) + 1;
        if (!strcmp(p, role)) {
            found = pid;
        }
    }
    (void) closedir(dir);
    return found;
}

static char
process_state(pid_t pid)
{
    char stat[256];
    const char *p;

    if (!read_proc(pid, "stat", stat, sizeof stat)) {
        return 0;
    }
    p = strrchr(stat, ')');
    return p && p[1] ? p[2] : 0;
}

/* Stops the helper of 'role', which is idle. */
static pid_t
stop_helper(const char *role)
{
    pid_t pid = find_helper(role);
    int64_t end = vdpad_loop_clock_ns() + LIMIT_NS;

    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    while (process_state(pid) != 'T') {
        assert_true(vdpad_loop_clock_ns() < end);
        (void) sched_yield();
    }
    return pid;
}

static void
test_lane_times_out(void **state)
{
    struct vdpad_kernel_stats stats;
    struct vdpad_stuck stuck[2];
    struct fixture f;
    pid_t pid;

    (void) state;
    open_kernel(&f, SHORT_NS);
    observe(&f, VDPAD_LINK);
    assert_int_equal(f.observed_error[VDPAD_LINK], 0);
    assert_int_equal(f.kernel->ops->stuck(f.kernel, stuck, 2), 0);
    pid = stop_helper("route");
    observe(&f, VDPAD_LINK);
    assert_int_equal(f.observed_error[VDPAD_LINK], -ETIMEDOUT);
    assert_non_null(strstr(f.why, "observe link"));
    f.kernel->ops->stats(f.kernel, &stats);
    assert_int_equal(stats.timeouts, 1);

    /* It is killed, and its end is told. */
    f.changed = 0;
    f.changed_wanted = ALL_CLASSES;
    run_until(&f, is_invalidated);
    assert_int_equal(f.kernel->ops->stuck(f.kernel, stuck, 2), 0);
    assert_int_equal(kill(pid, 0), -1);

    /* The lane works again. */
    observe(&f, VDPAD_LINK);
    assert_int_equal(f.observed_error[VDPAD_LINK], 0);
    close_kernel(&f);
}

static void
test_step_times_out(void **state)
{
    struct vdpad_act acts[3] = { stale_act(), stale_act(), stale_act() };
    struct fixture f;

    (void) state;
    open_kernel(&f, SHORT_NS);
    submit(&f, acts, 1);
    run_until(&f, all_done);
    assert_int_equal(f.done_error[0], -ESTALE);
    (void) stop_helper("step");
    f.n_done = f.n_done_wanted = 0;
    submit(&f, acts, 3);
    run_until(&f, all_done);
    assert_int_equal(f.done_error[0], -ETIMEDOUT);
    assert_int_equal(f.done_error[1], -ECANCELED);
    assert_int_equal(f.done_error[2], -ECANCELED);
    f.changed = 0;
    f.changed_wanted = ALL_CLASSES;
    run_until(&f, is_invalidated);

    /* Other batches are not concerned. */
    f.n_done = f.n_done_wanted = 0;
    submit(&f, acts, 1);
    run_until(&f, all_done);
    assert_int_equal(f.done_error[0], -ESTALE);
    close_kernel(&f);
}

static bool
is_former_gone(const struct fixture *f)
{
    return !f->kernel->ops->stuck(f->kernel, NULL, 0);
}

/* Steps of a daemon that was killed are known to its successor, and to that
 * one's, until they have ended. */
static void
test_former_daemon(void **state)
{
    char path[] = "/tmp/test-worker-stuck.XXXXXX";
    struct vdpad_act act = stale_act();
    struct vdpad_stuck stuck;
    struct fixture f;
    pid_t pid;
    int fd = mkstemp(path);

    (void) state;
    assert_true(fd >= 0);
    (void) close(fd);
    open_kernel_at(&f, 0, path);
    assert_int_equal(f.kernel->ops->stuck(f.kernel, &stuck, 1), 0);
    submit(&f, &act, 1);
    observe(&f, VDPAD_LINK);
    run_until(&f, all_done);
    pid = stop_helper("step");
    f.n_done = 0;
    submit(&f, &act, 1);
    /* As when it dies: the helper is left alone. */
    close_kernel(&f);

    for (int i = 0; i < 2; i++) {
        open_kernel_at(&f, 0, path);
        assert_int_equal(f.kernel->ops->stuck(f.kernel, &stuck, 1), 1);
        assert_true(stuck.is_former);
        /* Its own helpers are no matter. */
        f.n_done_wanted = 0;
        submit(&f, &act, 1);
        run_until(&f, all_done);
        assert_int_equal(f.kernel->ops->stuck(f.kernel, NULL, 0), 1);
        if (i) {
            f.changed = 0;
            assert_int_equal(kill(pid, SIGCONT), 0);
            run_until(&f, is_former_gone);
            f.changed_wanted = ALL_CLASSES;
            run_until(&f, is_invalidated);
        }
        close_kernel(&f);
    }

    /* One that ended in peace leaves nothing. */
    open_kernel_at(&f, 0, path);
    run_until(&f, is_former_gone);
    close_kernel(&f);
    (void) unlink(path);
    for (pid = 1; pid > 0;) {
        pid = waitpid(-1, NULL, 0);
    }
}

static void
test_helper_dies(void **state)
{
    struct vdpad_act acts[2] = { stale_act(), stale_act() };
    struct fixture f;
    pid_t pid;

    (void) state;
    open_kernel(&f, 0);
    submit(&f, acts, 1);
    observe(&f, VDPAD_LINK);
    run_until(&f, all_done);

    pid = stop_helper("step");
    f.n_done = f.n_done_wanted = 0;
    submit(&f, acts, 2);
    assert_int_equal(kill(pid, SIGKILL), 0);
    run_until(&f, all_done);
    assert_int_equal(f.done_error[0], -EIO);
    assert_int_equal(f.done_error[1], -ESTALE);

    /* One that dies while it is idle is just replaced. */
    pid = find_helper("route");
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (process_state(pid) != 'Z' && process_state(pid)) {
        (void) sched_yield();
    }
    observe(&f, VDPAD_LINK);
    assert_int_equal(f.observed_error[VDPAD_LINK], 0);
    close_kernel(&f);
}

static void
test_signals(void **state)
{
    struct fixture f;
    pid_t pid;

    (void) state;
    open_kernel(&f, 0);
    observe(&f, VDPAD_LINK);
    pid = find_helper("route");
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(kill(pid, SIGINT), 0);
    observe(&f, VDPAD_LINK);
    assert_int_equal(f.observed_error[VDPAD_LINK], 0);
    assert_int_equal(find_helper("route"), pid);
    close_kernel(&f);
}

static void
test_no_leaks(void **state)
{
    size_t n_fds = count_descriptors();
    struct vdpad_act act = stale_act();
    struct fixture f;

    (void) state;
    for (int i = 0; i < 3; i++) {
        open_kernel(&f, SHORT_NS);
        submit(&f, &act, 1);
        observe(&f, VDPAD_LINK);
        run_until(&f, all_done);
        if (i == 1) {
            (void) stop_helper("route");
            observe(&f, VDPAD_LINK);
        }
        if (i == 2) {
            /* With a request under way, and with answers not delivered. */
            submit(&f, &act, 1);
            assert_int_equal(f.kernel->ops->observe(f.kernel, VDPAD_PCI,
                                                    on_observed, &f),
                             0);
        }
        close_kernel(&f);
    }
    assert_int_equal(count_descriptors(), n_fds);
    /* The busy ones of the last round end by themselves. */
    for (pid_t pid = 1; pid > 0;) {
        pid = waitpid(-1, NULL, 0);
    }
    assert_int_equal(errno, ECHILD);
}

/* How the helpers of test_nonsense() answer: the name of this variable's
 * value. */
#define NONSENSE "TEST_WORKER_NONSENSE"

/* A helper that breaks the rules in the way 'how'. */
static int
nonsense_main(const char *how)
{
    struct vdpad_wire_request request;
    struct vdpad_wire_reply reply;
    size_t size = sizeof reply;

    if (recv(VDPAD_WORKER_FD, &request, sizeof request, MSG_WAITALL)
        != (ssize_t) sizeof request) {
        return EXIT_SUCCESS;
    }
    memset(&reply, 0, sizeof reply);
    if (!strcmp(how, "short")) {
        size = 3;
    } else if (!strcmp(how, "huge")) {
        reply.size = UINT64_C(1) << 40;
    } else if (!strcmp(how, "odd")) {
        reply.size = sizeof(struct vdpad_link) + 1;
    } else if (!strcmp(how, "rows-of-error")) {
        reply.error = -EIO;
        reply.size = sizeof(struct vdpad_link);
    } else if (!strcmp(how, "unended-text")) {
        reply.error = -EXDEV;
        memset(reply.text, 'x', sizeof reply.text);
    }
    (void) send(VDPAD_WORKER_FD, &reply, size, MSG_NOSIGNAL);
    if (!strcmp(how, "unended-text")) {
        /* Said all, stays until told to go. */
        (void) recv(VDPAD_WORKER_FD, &request, sizeof request, 0);
    }
    return EXIT_SUCCESS;
}

/* Answers that break the rules end their request, nothing else. */
static void
test_nonsense(void **state)
{
    static const struct {
        const char *how;
        int error;
    } cases[] = {
        { "short", -EIO },         { "huge", -EIO },           { "odd", -EIO },
        { "rows-of-error", -EIO }, { "unended-text", -EXDEV },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;

        assert_int_equal(setenv(NONSENSE, cases[i].how, 1), 0);
        open_kernel(&f, 0);
        observe(&f, VDPAD_LINK);
        assert_int_equal(f.observed_error[VDPAD_LINK], cases[i].error);
        assert_true(strlen(f.why) < VDPAD_ERROR_TEXT);

        /* A good one takes its place. */
        assert_int_equal(unsetenv(NONSENSE), 0);
        if (cases[i].error == -EIO) {
            observe(&f, VDPAD_LINK);
            assert_int_equal(f.observed_error[VDPAD_LINK], 0);
        }
        close_kernel(&f);
    }
}

int
main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lane_times_out),
        cmocka_unit_test(test_step_times_out),
        cmocka_unit_test(test_former_daemon),
        cmocka_unit_test(test_helper_dies),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_no_leaks),
        cmocka_unit_test(test_nonsense),
    };

    if (vdpad_worker_is_wanted(argc, argv)) {
        const char *how = getenv(NONSENSE);

        return how ? nonsense_main(how) : vdpad_worker_main(argc, argv);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
