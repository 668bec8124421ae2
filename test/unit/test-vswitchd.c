/* SPDX-License-Identifier: Apache-2.0 */
/* The port to ovs-vswitchd, with a process in its place that can misbehave. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include <openvswitch/poll-loop.h>
#include <openvswitch/util.h>
#include <vdpad/ovsdb-store.h>

/* Of every wait; emulated machines are slow. */
#define LIMIT_MS 60000

enum { HUGE_REPLY = 17 << 20 };

static char dir[] = "/tmp/vdpad-vswitchd-XXXXXX";
static char pidfile[64];
static struct vdpad_vswitchd *port;

static long long
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The process in ovs-vswitchd's place. */

static void
write_all(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t done = write(fd, text, n);

        if (done <= 0) {
            return;
        }
        text += done;
        n -= (size_t) done;
    }
}

static void
answer(int fd, json_t *id, const char *kind, const char *text)
{
    json_t *o = json_pack("{sOsnsn}", "id", id, "result", "error");

    json_object_set_new(o, kind, json_string(text));

    char *line = json_dumps(o, JSON_COMPACT);

    write_all(fd, line, strlen(line));
    free(line);
    json_decref(o);
}

/* Does what the command's name says. */
static void
serve_request(int fd, json_t *request)
{
    const char *method = json_string_value(json_object_get(request, "method"));
    json_t *id = json_object_get(request, "id");
    json_t *params = json_object_get(request, "params");

    if (!strcmp(method, "echo")) {
        char text[256] = "";

        for (size_t i = 0; i < json_array_size(params); i++) {
            strcat(text, json_string_value(json_array_get(params, i)));
            strcat(text, "|");
        }
        answer(fd, id, "result", text);
    } else if (!strcmp(method, "fail")) {
        answer(fd, id, "error", "no such %s\n");
    } else if (!strcmp(method, "fail-below")) {
        answer(fd, id, "error", "\nno such port\n");
    } else if (!strcmp(method, "fail-blank")) {
        answer(fd, id, "error", "\n");
    } else if (!strcmp(method, "never")) {
        pause();
    } else if (!strcmp(method, "garbage")) {
        write_all(fd, "}}}", 3);
        pause();
    } else if (!strcmp(method, "notify")) {
        write_all(fd, "{\"method\":\"x\",\"params\":[],\"id\":null}", 37);
        pause();
    } else if (!strcmp(method, "wrong-id")) {
        answer(fd, json_integer(-1), "result", "x");
        pause();
    } else if (!strcmp(method, "number")) {
        json_t *o = json_pack("{sOsisn}", "id", id, "result", 5, "error");
        char *line = json_dumps(o, JSON_COMPACT);

        write_all(fd, line, strlen(line));
        pause();
    } else if (!strcmp(method, "huge")) {
        char *text = malloc(HUGE_REPLY + 1);

        memset(text, 'x', HUGE_REPLY);
        text[HUGE_REPLY] = '\0';
        answer(fd, id, "result", text);
        free(text);
    } else if (strcmp(method, "close") != 0) {
        answer(fd, id, "error",
               "\"x\" is not a valid command (use \"list-commands\" to see a "
               "list of valid commands)");
    }
}

static int
listen_as(pid_t pid)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(sun.sun_path, sizeof sun.sun_path, "%s/ovs-vswitchd.%d.ctl", dir,
             (int) pid);
    unlink(sun.sun_path);
    if (bind(fd, (void *) &sun, sizeof sun) || listen(fd, 10)) {
        _exit(1);
    }
    return fd;
}

/* As ovs-vswitchd makes it: locked before it has its name. */
static void
make_pidfile(const char *content)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char tmp[80];
    int fd;

    snprintf(tmp, sizeof tmp, "%s.tmp", pidfile);
    fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || fcntl(fd, F_SETLK, &lock)
        || write(fd, content, strlen(content)) < 0 || rename(tmp, pidfile)) {
        _exit(1);
    }
    /* It stays open. */
}

static void
on_usr1(int signo)
{
    (void) signo;
}

/* Starts a process that holds the pid file ("content" NULL: its own number)
 * and serves; with 'late' only once it gets SIGUSR1. */
static pid_t
spawn(const char *content, bool late)
{
    sigset_t usr1, none;
    pid_t pid;

    sigemptyset(&usr1);
    sigemptyset(&none);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid) {
        sigprocmask(SIG_SETMASK, &none, NULL);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGUSR1, on_usr1);
    signal(SIGPIPE, SIG_IGN);

    char own[16];

    snprintf(own, sizeof own, "%d\n", (int) getpid());
    make_pidfile(content ? content : own);
    if (late) {
        sigsuspend(&none);
    }
    for (int listener = listen_as(getpid());;) {
        int fd = accept(listener, NULL, NULL);
        json_t *request = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, NULL);

        if (request) {
            serve_request(fd, request);
            json_decref(request);
        }
        close(fd);
    }
}

static void
end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The client's side. */

struct result {
    int calls, error;
    char text[256];
};

static void
on_answer(void *result_, int error, const char *reply,
          const struct vdpad_error *why)
{
    struct result *r = result_;

    r->calls++;
    r->error = error;
    if (error) {
        assert_null(reply);
        assert_int_equal(why->code, error);
        snprintf(r->text, sizeof r->text, "%s", why->text);
    } else {
        snprintf(r->text, sizeof r->text, "%s", reply);
    }
}

static void
turn(long long deadline)
{
    if (now_ms() > deadline) {
        fail_msg("it does not come about");
    }
    port->ops->wait(port);
    poll_timer_wait(1000);
    poll_block();
    port->ops->run(port);
}

static void
until_answered(struct result *r)
{
    long long deadline = now_ms() + LIMIT_MS;

    while (!r->calls) {
        turn(deadline);
    }
    assert_int_equal(r->calls, 1);
}

/* Waits until another process than 'pid' runs, or none when it is 0. */
static void
until_pid(int32_t pid)
{
    long long deadline = now_ms() + LIMIT_MS;

    while (port->ops->pid(port) != pid) {
        turn(deadline);
    }
}

static struct result
run(const char *command, const char *const *args, size_t n)
{
    struct result r = { 0 };

    assert_int_equal(port->ops->call(port, command, args, n, on_answer, &r),
                     0);
    assert_int_equal(r.calls, 0);
    until_answered(&r);
    return r;
}

static int
set_up(void **state)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    if (!mkdtemp(dir)) {
        return -1;
    }
    snprintf(pidfile, sizeof pidfile, "%s/ovs-vswitchd.pid", dir);
    port = vdpad_ovs_vswitchd_new(dir);
    *state = NULL;
    return 0;
}

static int
tear_down(void **state)
{
    char command[128];

    (void) state;
    port->ops->destroy(port);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void
test_answers(void **state)
{
    static const char *const args[] = { "a", "b \"c\"" };
    pid_t pid = spawn(NULL, false);
    struct result r;

    (void) state;
    until_pid(pid);
    r = run("echo", args, 2);
    assert_int_equal(r.error, 0);
    assert_string_equal(r.text, "a|b \"c\"|");
    r = run("echo", NULL, 0);
    assert_int_equal(r.error, 0);
    assert_string_equal(r.text, "");
    r = run("fail", NULL, 0);
    assert_int_equal(r.error, -EIO);
    assert_string_equal(r.text, "no such %s");
    r = run("fail-below", NULL, 0);
    assert_string_equal(r.text, "no such port");
    r = run("fail-blank", NULL, 0);
    assert_int_equal(r.error, -EIO);
    assert_string_equal(r.text, "it failed without a word");
    r = run("dpif/none", NULL, 0);
    assert_int_equal(r.error, -EOPNOTSUPP);
    end(pid);
}

static void
test_nobody_runs(void **state)
{
    struct result r = run("echo", NULL, 0);
    int fd;

    (void) state;
    assert_int_equal(r.error, -ENOENT);
    assert_non_null(strstr(r.text, pidfile));

    /* Left behind. */
    fd = open(pidfile, O_RDWR | O_CREAT, 0644);
    assert_int_equal(write(fd, "1\n", 2), 2);
    close(fd);
    r = run("echo", NULL, 0);
    assert_int_equal(r.error, -ENOENT);
    assert_int_equal(port->ops->pid(port), 0);

    /* No file at all. */
    assert_int_equal(unlink(pidfile), 0);
    assert_int_equal(mkfifo(pidfile, 0600), 0);
    r = run("echo", NULL, 0);
    assert_int_equal(r.error, -ENOENT);
}

static void
test_pidfile_of_rubbish(void **state)
{
    static const char *const contents[] = {
        "", "\n", "../x\n", "-1\n", "99999999999999999999\n",
    };

    (void) state;
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        pid_t pid = spawn(contents[i], false);
        long long deadline = now_ms() + LIMIT_MS;
        struct stat s;

        while (stat(pidfile, &s)) {
            turn(deadline);
        }
        assert_int_equal(run("echo", NULL, 0).error, -ENOENT);
        assert_int_equal(port->ops->pid(port), 0);
        end(pid);
        unlink(pidfile);
    }
}

/* By events alone: the port asks for no timer while nothing is under way. */
static void
test_restart_is_seen(void **state)
{
    pid_t pid = spawn(NULL, false);

    (void) state;
    until_pid(pid);
    end(pid); /* The file stays. */
    until_pid(0);
    pid = spawn(NULL, false);
    until_pid(pid);
    assert_int_equal(unlink(pidfile), 0);
    until_pid(0);
    end(pid);
}

static void
test_directory_made_anew(void **state)
{
    char command[128];
    pid_t pid;

    (void) state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(run("echo", NULL, 0).error, -ENOENT);
    assert_int_equal(mkdir(dir, 0700), 0);
    pid = spawn(NULL, false);
    until_pid(pid);
    end(pid);
}

static void
test_socket_comes_late(void **state)
{
    pid_t pid = spawn(NULL, true);
    struct result r = { 0 };

    (void) state;
    until_pid(pid);
    assert_int_equal(port->ops->call(port, "echo", NULL, 0, on_answer, &r), 0);
    port->ops->run(port);
    assert_int_equal(r.calls, 0);
    kill(pid, SIGUSR1);
    until_answered(&r);
    assert_int_equal(r.error, 0);
    end(pid);
}

static void
test_nonsense(void **state)
{
    static const struct {
        const char *command;
        int error;
    } cases[] = {
        { "garbage", -EIO },  { "notify", -EIO }, { "wrong-id", -EIO },
        { "close", -ENOENT }, { "number", 0 },    { "huge", -EMSGSIZE },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pid_t pid = spawn(NULL, false);
        struct result r;

        until_pid(pid);
        r = run(cases[i].command, NULL, 0);
        if (r.error != cases[i].error) {
            fail_msg("%s: %d, %s", cases[i].command, r.error, r.text);
        }
        end(pid);
    }
}

static void
test_no_answer(void **state)
{
    pid_t pid = spawn(NULL, false);
    struct result first = { 0 }, second = { 0 };
    long long begin = now_ms();

    (void) state;
    until_pid(pid);
    assert_int_equal(
        port->ops->call(port, "never", NULL, 0, on_answer, &first), 0);
    assert_int_equal(
        port->ops->call(port, "echo", NULL, 0, on_answer, &second), 0);
    until_answered(&first);
    assert_int_equal(first.error, -ETIMEDOUT);
    assert_true(now_ms() - begin >= 4900);
    until_answered(&second);
    assert_int_equal(second.error, -ETIMEDOUT);
    end(pid);
}

/* One that dies under a call. */
static void
test_killed(void **state)
{
    pid_t pid = spawn(NULL, false);
    struct result r = { 0 };

    (void) state;
    until_pid(pid);
    assert_int_equal(port->ops->call(port, "never", NULL, 0, on_answer, &r),
                     0);
    port->ops->run(port);
    end(pid);
    until_answered(&r);
    assert_int_equal(r.error, -ENOENT);
}

static void
again(void *left_, int error, const char *reply, const struct vdpad_error *why)
{
    int *left = left_;

    (void) reply;
    (void) why;
    assert_int_equal(error, 0);
    if (--*left > 0) {
        assert_int_equal(port->ops->call(port, "echo", NULL, 0, again, left_),
                         0);
    }
}

static void
test_queue(void **state)
{
    pid_t pid = spawn(NULL, false);
    struct result r[17] = { { 0 } }, more = { 0 };
    long long deadline = now_ms() + LIMIT_MS;
    int left = 5;

    (void) state;
    until_pid(pid);
    for (int i = 0; i < 17; i++) {
        assert_int_equal(
            port->ops->call(port, "echo", NULL, 0, on_answer, &r[i]), 0);
    }
    assert_int_equal(port->ops->call(port, "echo", NULL, 0, on_answer, &more),
                     -EBUSY);
    for (int i = 0; i < 17; i++) {
        until_answered(&r[i]);
        assert_int_equal(r[i].error, 0);
    }
    assert_int_equal(more.calls, 0);

    /* From within an answer. */
    assert_int_equal(port->ops->call(port, "echo", NULL, 0, again, &left), 0);
    while (left > 0) {
        turn(deadline);
    }

    /* What is under way at the end is forgotten. */
    assert_int_equal(port->ops->call(port, "never", NULL, 0, on_answer, &more),
                     0);
    assert_int_equal(port->ops->call(port, "echo", NULL, 0, on_answer, &more),
                     0);
    port->ops->run(port);
    end(pid);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_nobody_runs),
        TEST(test_pidfile_of_rubbish),
        TEST(test_restart_is_seen),
        TEST(test_directory_made_anew),
        TEST(test_socket_comes_late),
        TEST(test_nonsense),
        TEST(test_no_answer),
        TEST(test_killed),
        TEST(test_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
