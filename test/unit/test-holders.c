/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink/holders-scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Without the NUL at the end, so that a reader beyond it is caught. */
static void
assert_macs(const char *text, size_t n, size_t size, const char *macs)
{
    char *exact = calloc(1, n ? n : 1);
    char got[64];

    memcpy(exact, text, n);
    vdpad_holders_macs(exact, n, got, size);
    assert_string_equal(got, macs);
    free(exact);
}

#define MACS(TEXT, SIZE, EXPECTED) \
    assert_macs(TEXT, sizeof(TEXT) - 1, SIZE, EXPECTED)

static void
command_line(void **state)
{
    (void) state;
    MACS("", 64, "");
    MACS("qemu\0-device\0virtio-net-pci,netdev=n0,mac=02:00:00:00:00:0A\0", 64,
         "02:00:00:00:00:0a");
    MACS("-device\0{\"driver\":\"virtio-net-pci\",\"netdev\":\"n0\","
         "\"mac\":\"52:54:00:12:34:56\",\"bus\":\"pci.1\"}\0"
         "-device\0e1000,mac=52:54:00:00:00:01\0"
         "-device\0e1000,mac=52:54:00:12:34:56\0",
         64, "52:54:00:12:34:56 52:54:00:00:00:01");
    /* Only what fits, whole. */
    MACS("mac=52:54:00:00:00:01 mac=52:54:00:00:00:02", 36,
         "52:54:00:00:00:01 52:54:00:00:00:02");
    MACS("mac=52:54:00:00:00:01 mac=52:54:00:00:00:02", 35,
         "52:54:00:00:00:01");
    MACS("mac=52:54:00:00:00:01", 17, "");
    /* Cut or no addresses. */
    MACS("mac=52:54:00:00:00:0", 64, "");
    MACS("mac=52:54:00:00:00:0\0", 64, "");
    MACS("mac=", 64, "");
    MACS("ma", 64, "");
    MACS("mac=52-54-00-00-00-01,mac=off,\"mac\":\"\"", 64, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
