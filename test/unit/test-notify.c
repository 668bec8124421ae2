/* SPDX-License-Identifier: Apache-2.0 */

/* What systemd is told, and that nobody waits for it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "controller/glue-notify.h"
#include "test/support/ctl-fixture.h"

/* systemd's end, which the test reads. */
static int manager;
static struct vdpad_notify *notify;

static int
set_up_notify(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (set_up(state)) {
        return -1;
    }
    (void) snprintf(address.sun_path, sizeof address.sun_path, "%s/notify",
                    t.folder);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(manager, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "60000000", 1), 0);
    notify = vdpad_notify_new();
    return 0;
}

static int
tear_down_notify(void **state)
{
    char name[96];

    vdpad_notify_free(notify);
    (void) unsetenv("NOTIFY_SOCKET");
    (void) unsetenv("WATCHDOG_USEC");
    close(manager);
    (void) snprintf(name, sizeof name, "%s/notify", t.folder);
    (void) unlink(name);
    return tear_down(state);
}

/* All that was sent, one message a line; good until the next call. */
static const char *
take(void)
{
    static char text[1 << 18];
    size_t used = 0;
    ssize_t n;

    while (used + 256 < sizeof text
           && (n = recv(manager, text + used, 255, 0)) > 0) {
        used += (size_t) n;
        text[used++] = '\n';
    }
    text[used] = '\0';
    return text;
}

static void
tell(void)
{
    vdpad_notify_run(notify, t.ctl, t.now_ns);
}

static void
is_told(void **state)
{
    const char *text;

    (void) state;
    tell();
    assert_null(strstr(take(), "READY=1"));
    pass(SEC);
    tell();
    assert_non_null(strstr(take(), "READY=1\n"));
    set_policy();
    pass(30 * SEC);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_READY);
    tell();
    text = take();
    assert_non_null(strstr(text, "STATUS=2 of 2 vDPA devices ready"));
    assert_null(strstr(text, "READY=1"));
    t.now_ns += 30 * SEC;
    tell();
    assert_string_equal(take(), "WATCHDOG=1\n");
    tell();
    assert_string_equal(take(), "");
}

/* A manager that hangs, or has crashed, reads nothing.  There is room for few
 * messages, and a daemon that waited for more would hang with it.  What there
 * was no room for is told when it reads again. */
static void
manager_that_does_not_read(void **state)
{
    const char *text;

    (void) state;
    for (int i = 0; i < 2000; i++) {
        t.now_ns += 31 * SEC;
        tell();
    }
    pass(SEC);
    set_policy();
    pass(30 * SEC);
    tell();
    assert_null(strstr(take(), "READY=1"));

    t.now_ns += SEC;
    tell();
    text = take();
    assert_non_null(strstr(text, "READY=1\n"));
    assert_non_null(strstr(text, "WATCHDOG=1\n"));
    assert_non_null(strstr(text, "STATUS=2 of 2 vDPA devices ready"));
    tell();
    assert_string_equal(take(), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_told, set_up_notify,
                                        tear_down_notify),
        cmocka_unit_test_setup_teardown(manager_that_does_not_read,
                                        set_up_notify, tear_down_notify),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
