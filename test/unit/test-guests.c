/* SPDX-License-Identifier: Apache-2.0 */
/* What is read about libvirt, QEMU and AppArmor from files of theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "netlink/observe-guests.h"

static char folder[] = "/tmp/vdpad-guests.XXXXXX";
static char path[64];

static int
set_up(void **state)
{
    (void) state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    (void) unlink(path);
    return rmdir(folder);
}

static void
put(const char *text)
{
    FILE *stream = fopen(path, "we");

    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void
library_names(void **state)
{
    static const char *const bad[] = {
        "",
        "libvirt.so.0",
        "libvirt.so.0.",
        "libvirt.so.0.9000",
        "libvirt.so.0.9000.",
        "libvirt.so.0.9000.1x",
        "libvirt.so.0.9000.1 (deleted)",
        "libvirt.so.0.-9000.1",
        "libvirt.so.0.99999999999.1",
        "libvirt.so.0.9000.1/other",
        "libvirt-qemu.so.0.9000.1",
        "xlibvirt.so.0.9000.1",
    };
    char version[32] = "left";

    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(vdpad_libvirt_version(bad[i], version, sizeof version));
        assert_string_equal(version, "left");
    }
    assert_true(
        vdpad_libvirt_version("libvirt.so.0.9000.0", version, sizeof version));
    assert_string_equal(version, "9.0.0");
    /* A line of /proc/PID/maps. */
    assert_true(vdpad_libvirt_version(
        "7f10-7f20 r--p 00000000 fe:00 1 /usr/lib64/libvirt.so.0.11010.2",
        version, sizeof version));
    assert_string_equal(version, "11.10.2");
}

static bool
emulator(const char *text, char name[32], char version[16])
{
    put(text);
    return vdpad_libvirt_emulator(path, name, 32, version);
}

static void
emulators(void **state)
{
    static const char *const bad[] = {
        "",
        "<qemuCaps>\n  <emulator>/usr/bin/q</emulator>\n</qemuCaps>\n",
        "<qemuCaps>\n  <version>7002022</version>\n</qemuCaps>\n",
        "<emulator>/usr/bin/q</emulator>\n<version>7002022\n",
        "<emulator>/usr/bin/q</emulator>\n<version>seven</version>\n",
        "<emulator>/usr/bin/q</emulator>\n<version>7002022x</version>\n",
        "<emulator>/usr/bin/q</emulator>\n<version>99999999999</version>\n",
        "<emulator></emulator>\n<version>7002022</version>\n",
        "<emulator>/q\033[2J</emulator>\n<version>7002022</version>\n",
    };
    char name[32], version[16], *large;

    (void) state;
    assert_true(emulator("<?xml version=\"1.0\"?>\n<qemuCaps>\n"
                         "  <emulator>/usr/bin/qemu</emulator>\n"
                         "  <selfvers>9000000</selfvers>\n"
                         "  <kvmVersion>1</kvmVersion>\n"
                         "  <version>7002022</version>\n"
                         "  <emulator>/another</emulator>\n</qemuCaps>\n",
                         name, version));
    assert_string_equal(name, "/usr/bin/qemu");
    assert_string_equal(version, "7.2.22");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(emulator(bad[i], name, version));
    }

    /* A path that does not fit. */
    assert_false(
        emulator("<emulator>/a/path/that/is/longer/than/32/bytes</emulator>\n"
                 "<version>7002022</version>\n",
                 name, version));

    /* More than anybody needs to say is not read to its end. */
    enum { SIZE = 2 << 20 };
    large = malloc(SIZE);
    assert_non_null(large);
    memset(large, '\n', SIZE);
    snprintf(large + SIZE - 100, 100,
             "\n<emulator>/usr/bin/q</emulator>\n<version>7002022</version>");
    assert_false(emulator(large, name, version));
    free(large);

    assert_false(vdpad_libvirt_emulator(folder, name, sizeof name, version));
    assert_int_equal(unlink(path), 0);
    assert_false(vdpad_libvirt_emulator(path, name, sizeof name, version));
    /* Nobody writes to it: whoever waited for that would wait for ever. */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(vdpad_libvirt_emulator(path, name, sizeof name, version));
    assert_int_equal(unlink(path), 0);
}

static void
mentions(void **state)
{
    (void) state;
    put("  # /dev/vhost-vdpa-0 rw,\n  /dev/net/tun rw,\n");
    assert_int_equal(vdpad_file_mentions(path, "vhost-vdpa"), 0);
    assert_int_equal(vdpad_file_mentions(path, "tun"), 1);
    assert_true(vdpad_file_mentions("/nosuch", "tun") < 0);
    assert_true(vdpad_file_mentions(folder, "tun") < 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_names),
        cmocka_unit_test(emulators),
        cmocka_unit_test(mentions),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
