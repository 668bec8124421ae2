/* SPDX-License-Identifier: Apache-2.0 */
/* Removing many filters while Open vSwitch may come back, and not what others
 * have put beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "netlink/tc-scope.h"
#include "netlink/uapi.h"

/* The kernel, and its processes. */
static int fake_call(struct vdpad_nl *nl, struct nl_msg *msg, int error,
                     vdpad_nl_message_cb *cb, void *aux,
                     struct vdpad_error *reason, const char *format, ...);
static int fake_newest(int32_t *pid, uint64_t *ticks);

#define vdpad_nl_call fake_call
#define vdpad_vswitchd_newest fake_newest
#include "netlink/tc-scope.c"

#define N_FILTERS 10000u

static struct {
    uint32_t n_deleted;
    int n_looks;
    int new_at; /* The look that finds a new process; 0: none does. */
    int error_at;
    const char *other_kind; /* Of one more filter; NULL: there is none. */
} t;

static int
fake_newest(int32_t *pid, uint64_t *ticks)
{
    int look = ++t.n_looks;

    *pid = t.new_at && look >= t.new_at ? 78 : 77;
    *ticks = t.new_at && look >= t.new_at ? 6 : 5;
    return look == t.error_at ? -EACCES : 0;
}

/* A message with no more than a kind, about an object of the netdev. */
static int
tell_kind(vdpad_nl_message_cb *cb, void *aux, uint16_t type, const char *kind)
{
    const struct tcmsg header = {
        .tcm_ifindex = 3,
        .tcm_handle = 1,
        .tcm_info = 9u << 16,
    };
    struct nl_msg *msg = nlmsg_alloc();
    int error;

    assert_int_equal(nlmsg_append(msg, (void *) (uintptr_t) &header,
                                  sizeof header, NLMSG_ALIGNTO),
                     0);
    nla_put_string(msg, TCA_KIND, kind);
    error = cb(aux, type, nlmsg_data(nlmsg_hdr(msg)),
               (size_t) nlmsg_datalen(nlmsg_hdr(msg)));
    nlmsg_free(msg);
    return error;
}

/* One filter of Open vSwitch's. */
static int
tell(vdpad_nl_message_cb *cb, void *aux, uint32_t handle)
{
    static const uint8_t cookie[VDPAD_OVS_COOKIE_SIZE] = "cookie";
    const struct tcmsg header = {
        .tcm_ifindex = 3,
        .tcm_handle = handle,
        .tcm_info = 2u << 16,
    };
    struct nl_msg *msg = nlmsg_alloc();
    struct nlattr *options, *actions, *action;
    int error;

    assert_int_equal(nlmsg_append(msg, (void *) (uintptr_t) &header,
                                  sizeof header, NLMSG_ALIGNTO),
                     0);
    nla_put_string(msg, TCA_KIND, "flower");
    options = nla_nest_start(msg, TCA_OPTIONS);
    actions = nla_nest_start(msg, TCA_FLOWER_ACT);
    action = nla_nest_start(msg, 1);
    nla_put(msg, TCA_ACT_COOKIE, sizeof cookie, cookie);
    nla_nest_end(msg, action);
    nla_nest_end(msg, actions);
    nla_nest_end(msg, options);
    error = cb(aux, RTM_NEWTFILTER, nlmsg_data(nlmsg_hdr(msg)),
               (size_t) nlmsg_datalen(nlmsg_hdr(msg)));
    nlmsg_free(msg);
    return error;
}

static int
fake_call(struct vdpad_nl *nl, struct nl_msg *msg, int error,
          vdpad_nl_message_cb *cb, void *aux, struct vdpad_error *reason,
          const char *format, ...)
{
    uint16_t type = nlmsg_hdr(msg)->nlmsg_type;
    /* The kernel passes over what has no terse form, or ends there. */
    bool is_terse = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct tcmsg),
                                    TCA_DUMP_FLAGS);

    (void) nl;
    (void) reason;
    (void) format;
    nlmsg_free(msg);
    for (uint32_t i = 0; type == RTM_GETTFILTER && i < N_FILTERS && !error;
         i++) {
        error = tell(cb, aux, i + 1);
    }
    if (!error && type == RTM_GETTFILTER && t.other_kind) {
        error = !is_terse ? tell_kind(cb, aux, RTM_NEWTFILTER, t.other_kind)
                : strcmp(t.other_kind, "matchall") ? -EMSGSIZE
                                                   : 0;
    }
    if (!error && type == RTM_GETQDISC) {
        error = tell_kind(cb, aux, RTM_NEWQDISC, "ingress");
    }
    t.n_deleted += type == RTM_DELTFILTER;
    return error;
}

static int
delete_all(void)
{
    const struct vdpad_scope scope = { .ifindex = 3 };
    struct vdpad_error why;

    t.n_deleted = 0;
    t.n_looks = 0;
    return vdpad_scope_del_ovs(NULL, &scope, 0, 2, &why);
}

/* It is looked for before the first, and again every 4096. */
static void
stops_for_a_new_owner(void **state)
{
    (void) state;
    t.new_at = 0;
    assert_int_equal(delete_all(), 0);
    assert_int_equal(t.n_deleted, N_FILTERS);
    assert_int_equal(t.n_looks, 3);

    /* It was there from the beginning. */
    t.new_at = 1;
    assert_int_equal(delete_all(), 0);
    assert_int_equal(t.n_deleted, N_FILTERS);

    t.new_at = 2;
    assert_int_equal(delete_all(), -EBUSY);
    assert_int_equal(t.n_deleted, 4095);
    t.new_at = 3;
    assert_int_equal(delete_all(), -EBUSY);
    assert_int_equal(t.n_deleted, 8191);
    t.new_at = 0;
    t.error_at = 1;
    assert_int_equal(delete_all(), -EACCES);
    assert_int_equal(t.n_deleted, 0);
    t.error_at = 2;
    assert_int_equal(delete_all(), -EACCES);
}

/* Whatever kind a filter is of, the qdisc is not Open vSwitch's alone. */
static void
finds_other_kinds(void **state)
{
    static const char *const kinds[] = { "matchall", "u32", "bpf" };
    struct vdpad_error why;

    (void) state;
    memset(&t, 0, sizeof t);
    assert_int_equal(vdpad_scope_check_qdisc(NULL, 3, &why), 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        t.other_kind = kinds[i];
        assert_int_equal(vdpad_scope_check_qdisc(NULL, 3, &why), -EBUSY);
        assert_non_null(strstr(why.text, "priority 9"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_for_a_new_owner),
        cmocka_unit_test(finds_other_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
