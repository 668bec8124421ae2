/* SPDX-License-Identifier: Apache-2.0 */
/* why: what it asks the kernel about rules that are not in hardware. */
#include "why-fixture.h"

#include <sys/mman.h>

/* One filter in software, as the kernel would tell it. */
static struct vdpad_flow_detail refused = {
    .where = VDPAD_FLOW_IN_TC,
    .pos = { .ifindex = 11, .prio = 2, .handle = 1 },
    .ifindex = 11,
    .sw_packets = 500,
    .match = "in_port(p0vf0)",
    .actions = "p0",
};

/* The kernel's answer to the query under way, which comes while the rows of
 * the database that the world has been joined from are gone already. */
static void
answer_query(int error, const struct vdpad_flow_detail *flows, size_t n,
             bool more, const struct vdpad_error *why)
{
    const struct vdpad_db_iface *saved[N_ELEMS(fix.devs)] = { NULL };
    void *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);

    assert_true(gone != MAP_FAILED);
    for (size_t i = 0; i < N_ELEMS(fix.devs); i++) {
        saved[i] = fix.devs[i].iface;
        fix.devs[i].iface = gone;
    }
    ctl.query_cb(ctl.query_aux, error, flows, n, more, why);
    for (size_t i = 0; i < N_ELEMS(fix.devs); i++) {
        fix.devs[i].iface = saved[i];
    }
    (void) munmap(gone, 4096);
}

/* Runs why; asserts that 'check' has 'result' and 'seen' once the kernel has
 * told of 'refused', and of a probe of it if that is asked for. */
static void
assert_flow(const char *check, const char *result, const char *seen,
            const char *remedy, int probed, const char *words)
{
    struct vdpad_request request;
    struct vdpad_error why = { .code = probed };
    bool found = false;

    snprintf(why.text, sizeof why.text, "%s", words ? words : "");
    if (words) {
        START(&request, "why", "lp1", "--probe", "--json");
    } else {
        START(&request, "why", "lp1", "--json");
    }
    assert_false(request.is_done);
    assert_int_equal(ctl.query.kind, VDPAD_QUERY_TC);
    assert_int_equal(ctl.query.where, 1u << VDPAD_FLOW_IN_TC);
    answer_query(0, &refused, 1, false, NULL);
    if (words) {
        assert_false(request.is_done);
        assert_int_equal(ctl.query.kind, VDPAD_QUERY_PROBE);
        assert_memory_equal(&ctl.query.at, &refused.pos, sizeof refused.pos);
        answer_query(probed, NULL, 0, false, &why);
    }
    /* Only in a turn: the database's rows may be gone by now. */
    assert_false(request.is_done);
    fixture_take_turns(&request);
    json_t *rows = fixture_parse(request.text);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        if (!strcmp(json_string_value(json_object_get(row, "check")), check)) {
            found = true;
            assert_string_equal(
                json_string_value(json_object_get(row, "result")), result);
            assert_contains(json_string_value(json_object_get(row, "seen")),
                            seen);
            assert_contains(json_string_value(json_object_get(row, "remedy")),
                            remedy);
        }
    }
    assert_true(found);
    json_decref(rows);
}

/* Also what is asked next is asked in the midst of an answer. */
static void
flows_of_both_kinds(void **state)
{
    struct vdpad_kflow kflows[] = { { .ifindex = 11, .flows = 1 } };
    struct vdpad_request request;

    (void) state;
    fix.flows[0].sw_flows = 1;
    FIXTURE_ROWS(VDPAD_KFLOW, kflows);
    START(&request, "why", "lp1");
    answer_query(0, &refused, 1, false, NULL);
    assert_int_equal(ctl.query.kind, VDPAD_QUERY_DATAPATH);
    assert_int_equal(ctl.query.ifindex, 11);
    answer_query(0, NULL, 0, false, NULL);
    fixture_take_turns(&request);
    assert_contains(request.text,
                    "no flow of p0vf0 is in the kernel datapath");
    free(request.text);
}

static void
refused_rules(void **state)
{
    (void) state;
    fix.flows[0].sw_flows = 1;
    assert_flow("rules", "fail",
                "1 filters on p0vf0 are in software; one with 500 packets: "
                "nothing shows why (in_port(p0vf0), actions p0)",
                "why vdpa:0000:65:00.2 --probe", 0, NULL);
    assert_flow("rules", "fail", "the driver says: twin: no such match",
                "flow/list", -EOPNOTSUPP, "twin: no such match");
    assert_flow("rules", "fail", "the driver would take it by now",
                "revalidator/purge", 0, "");
    assert_flow("hw-table", "fail", "table is full: twin: flow table is full",
                "flow-limit", -ENOSPC, "twin: flow table is full");
    /* These are not the driver's words. */
    assert_flow("rules", "unknown", "is in hardware by now",
                "why vdpa:0000:65:00.2", -EEXIST,
                "the filter is in hardware already");
    assert_flow("rules", "fail",
                "nothing shows why, and the driver was not asked: no priority",
                "--probe", -EBUSY, "no priority from 5 to 16 is free");
    assert_flow("rules", "fail", "was not asked: it only meters", "--probe",
                -ENOMSG, "it only meters");
    assert_flow("rules", "fail", "was not asked: it is stuck", "--probe",
                -ETIMEDOUT, "it is stuck");
    WITH(refused.sw_packets, 3,
         assert_flow("rules", "unknown", "3 packets", "probe", 0, NULL));
    WITH(refused.uses, VDPAD_USE_CT, {
        /* This kernel could. */
        assert_flow("rules", "fail", "its driver may not take",
                    "allow-stateless", 0, NULL);
        *fact("CONFIG_NET_TC_SKB_EXT") = 'n';
        assert_flow("rules", "fail", "without CONFIG_NET_TC_SKB_EXT",
                    "allow-stateless", 0, NULL);
    });
    WITH(refused.uses, VDPAD_USE_HASH,
         assert_flow("rules", "fail", "OVN's load balancers", "balance", 0,
                     NULL));
    fix.eswitch.encap_mode = -1; /* Not told. */
    WITH(refused.uses, VDPAD_USE_TUNNEL_SET, {
        assert_flow("rules", "fail",
                    "it sends into a tunnel, which card, firmware or driver",
                    "why vdpa:0000:65:00.2 --probe", 0, NULL);
        refused.outputs[0] = 10;
        assert_flow("rules", "fail", "a tunnel by p0, which", "", 0, NULL);
        refused.outputs[0] = 0;
        assert_flow("rules", "fail", "the driver says: twin: no such tunnel",
                    "another firmware", -EOPNOTSUPP, "twin: no such tunnel");
        fix.eswitch.encap_mode = VDPAD_ENCAP_NONE;
        assert_flow("rules", "fail", "encap mode is none",
                    "devlink dev eswitch set pci/0000:65:00.0 encap-mode "
                    "basic",
                    0, NULL);
    });
    fix.links[1].switch_id_len = 2;
    memcpy(fix.links[1].switch_id, fix.links[0].switch_id, 2);
    WITH(refused.outputs[0], 10,
         assert_flow("rules", "fail", "nothing shows why", "probe", 0, NULL));
    WITH(refused.outputs[0], 12,
         assert_flow("rules", "fail",
                     "it outputs to p0vf1, which is no port of an e-switch",
                     "through the card", 0, NULL));
}

/* A filter that its maker keeps out of hardware is not offered to it. */
static void
skip_hw(void **state)
{
    struct vdpad_request request;

    (void) state;
    fix.flows[0].sw_flows = 1;
    WITH(refused.tc_flags, VDPAD_TC_SKIP_HW, {
        assert_flow("rules", "fail",
                    "it is marked skip_hw by another program than Open "
                    "vSwitch, so",
                    "stop the program", 0, NULL);
        refused.has_ufid = true;
        assert_flow("rules", "fail", "skip_hw by Open vSwitch, as",
                    "other_config tc-policy && systemctl restart", 0, NULL);
        refused.has_ufid = false;
        START(&request, "why", "lp1", "--probe");
        answer_query(0, &refused, 1, false, NULL);
        assert_int_equal(ctl.query.kind, VDPAD_QUERY_TC);
        fixture_take_turns(&request);
        assert_contains(request.text, "skip_hw");
        free(request.text);
    });
}

static void
dry_run_probes_nothing(void **state)
{
    struct vdpad_request request;

    (void) state;
    fix.flows[0].sw_flows = 1;
    ctl.dry_run = true;
    START(&request, "why", "lp1", "--probe");
    assert_int_equal(ctl.n_queries, 0);
    assert_true(request.is_error);
    assert_contains(request.text, "--dry-run and offers no filter");
    free(request.text);
    assert_flow("rules", "fail", "nothing shows why", "--probe", 0, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        why_test(flows_of_both_kinds),
        why_test(refused_rules),
        why_test(skip_hw),
        why_test(dry_run_probes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
