/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of why begin with: the first device of a world where all is
 * well. */
#ifndef WHY_FIXTURE_H
#define WHY_FIXTURE_H 1

#include "cmd-fixture.h"

#include "controller/cmd-why.h"

/* Result, what was seen and the remedy of one check of the first device. */
struct result {
    char result[16], seen[400], remedy[400];
};

static void
copy(char *dst, size_t size, json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    snprintf(dst, size, "%s", value ? value : "");
}

/* Runs why; '*ret' is that of 'check'.  Returns how many failed. */
static int
run(const char *check, struct result *ret)
{
    json_t *rows = RUN_JSON("why", "vdpa:0000:65:00.2");
    int failed = 0;
    bool found = false;

    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        assert_members(row, "device check result seen remedy");
        assert_string_equal(json_string_value(json_object_get(row, "device")),
                            "vdpa:0000:65:00.2");
        failed += !strcmp("fail",
                          json_string_value(json_object_get(row, "result")));
        if (!strcmp(json_string_value(json_object_get(row, "check")), check)) {
            assert_false(found);
            found = true;
            copy(ret->result, sizeof ret->result, row, "result");
            copy(ret->seen, sizeof ret->seen, row, "seen");
            copy(ret->remedy, sizeof ret->remedy, row, "remedy");
        }
    }
    json_decref(rows);
    return failed;
}

/* Asserts that 'check' alone fails with 'seen' and 'remedy' ("" none). */
static inline void
assert_fails(const char *check, const char *seen, const char *remedy)
{
    struct result r;
    int failed = run(check, &r);

    assert_string_equal(r.result, "fail");
    assert_contains(r.seen, seen);
    if (remedy[0]) {
        assert_contains(r.remedy, remedy);
    } else {
        assert_string_equal(r.remedy, "");
    }
    assert_int_equal(failed, 1);
}

static inline void
assert_unknown(const char *check, const char *seen)
{
    struct result r;

    assert_int_equal(run(check, &r), 0);
    assert_string_equal(r.result, "unknown");
    assert_contains(r.seen, seen);
}

/* Value of a fact about the host. */
static inline char *
fact(const char *name)
{
    for (size_t i = 0; i < N_ELEMS(fix.host); i++) {
        if (!strcmp(fix.host[i].name, name)) {
            return fix.host[i].value;
        }
    }
    fail_msg("no fact %s", name);
    return NULL;
}

/* The uplink is in the bridge too. */
static struct vdpad_db_iface ifaces[3];
static struct vdpad_db_port ports[3];

static int
set_up(void **state)
{
    fixture_set_up(state);
    ports[0] = ports[1] = fix.ports[0];
    ports[0].name = "p0";
    ifaces[0] = ifaces[1] = fix.ifaces[0];
    ifaces[0].name = "p0";
    ifaces[0].ifindex = 10;
    ifaces[0].external_ids.n = 0;
    ifaces[1].port = 1;
    fix.db.n_ports = fix.db.n_ifaces = 2;
    fix.db.ports = ports;
    fix.db.ifaces = ifaces;
    fix.devs[0].iface = &ifaces[1];
    ctl.effect = (struct vdpad_effect_state){
        .effect = VDPAD_EFFECT_YES,
        .pid = 77,
        .told_by = "upcall/show",
    };
    return 0;
}

#define why_test(NAME) \
    cmocka_unit_test_setup_teardown(NAME, set_up, fixture_tear_down)

/* Puts 'change' into effect for one assertion. */
#define WITH(LVALUE, VALUE, ASSERTION)      \
    do {                                    \
        __typeof__(LVALUE) saved_ = LVALUE; \
        (LVALUE) = VALUE;                   \
        ASSERTION;                          \
        (LVALUE) = saved_;                  \
    } while (0)

#endif
