/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single flows: why some are not in hardware. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cmd-why.h"
#include "lookup.h"
#include "util.h"

#define OK VDPAD_CHECK_OK
#define FAIL VDPAD_CHECK_FAIL
#define UNKNOWN VDPAD_CHECK_UNKNOWN

/* Fewer packets than these are no evidence: broadcasts, a flow's first. */
#define PACKETS_MIN 10

#define TRACKED                                                      \
    ((uint32_t) VDPAD_USE_CT_STATE | VDPAD_USE_RECIRC | VDPAD_USE_CT \
     | VDPAD_USE_GOTO)

static bool
is_same_switch(const struct vdpad_link *a, const struct vdpad_link *b)
{
    return a->switch_id_len == b->switch_id_len
           && !memcmp(a->switch_id, b->switch_id, a->switch_id_len);
}

static bool
is_encap_off(const struct vdpad_dev *dev)
{
    return dev->pf && dev->pf->eswitch
           && dev->pf->eswitch->encap_mode == VDPAD_ENCAP_NONE;
}

/* As explain(), of a flow into a tunnel that does nothing else unusual. */
static void
explain_tunnel(const struct vdpad_world *world, const struct vdpad_dev *dev,
               const struct vdpad_flow_detail *flow,
               char reason[VDPAD_REASON_SIZE], char remedy[VDPAD_REASON_SIZE])
{
    const struct vdpad_link *out = flow->outputs[0]
                                       ? vdpad_find_link(world->observed,
                                                         flow->outputs[0])
                                       : NULL;
    char word[VDPAD_SHELL_SIZE];

    if (is_encap_off(dev)) {
        vdpad_text(reason, VDPAD_REASON_SIZE,
                   "it sends into a tunnel, and the e-switch's encap mode is "
                   "none");
        vdpad_text(remedy, VDPAD_REASON_SIZE,
                   "devlink dev eswitch set pci/%s encap-mode basic (some "
                   "drivers want it before switchdev mode)",
                   dev->pf->pci->bdf);
        return;
    }
    vdpad_text(reason, VDPAD_REASON_SIZE,
               "it sends into a tunnel%s%s, which card, firmware or driver "
               "may not take, or whose route does not leave through the card",
               out ? " by " : "", out ? out->name : "");
    vdpad_text(remedy, VDPAD_REASON_SIZE,
               "ask the driver: ovs-appctl -t ovs-vdpad why %s --probe",
               vdpad_shell_word(dev->name, word));
}

/* Says what of 'flow', which comes in by 'dev', hardware cannot do; and what
 * to do about it.  Returns false when nothing of it is to be seen. */
static bool
explain(const struct vdpad_world *world, const struct vdpad_dev *dev,
        const struct vdpad_flow_detail *flow, char reason[VDPAD_REASON_SIZE],
        char remedy[VDPAD_REASON_SIZE])
{
    static const struct {
        uint32_t uses;
        const char *reason, *remedy;
    } table[] = {
        { (uint32_t) VDPAD_USE_DP_HASH | VDPAD_USE_HASH,
          "it spreads by a hash of the packet, as OVN's load balancers and "
          "groups of type select do",
          "such flows stay in software; balance elsewhere" },
        { VDPAD_USE_USERSPACE,
          "it sends packets to ovs-vswitchd (ACL logging, sFlow, slow path)",
          "switch off the logging or sampling that asks for it" },
        { VDPAD_USE_SAMPLE, "it samples packets",
          "ovs-vsctl clear Bridge BRIDGE sflow ipfix" },
        { VDPAD_USE_PKT_MARK, "it matches the packet's mark", "" },
        { VDPAD_USE_PRIORITY, "it matches the packet's priority", "" },
        { (uint32_t) VDPAD_USE_OTHER_KEY | VDPAD_USE_OTHER_ACTION,
          "it matches or does something unusual", "" },
        { TRACKED,
          "it needs connection tracking or recirculation, which this card or "
          "its driver may not take",
          "use stateless ACLs (allow-stateless), or see the driver's release "
          "notes" },
    };
    const char *ext = vdpad_host_fact(world, "CONFIG_NET_TC_SKB_EXT");

    remedy[0] = '\0';
    if (flow->uses & TRACKED && !(ext && *ext == 'y')) {
        vdpad_text(reason, VDPAD_REASON_SIZE,
                   "it needs connection tracking or recirculation, and the "
                   "kernel %s CONFIG_NET_TC_SKB_EXT",
                   ext ? "is built without" : "does not tell whether it has");
        vdpad_text(
            remedy, VDPAD_REASON_SIZE,
            "boot a kernel with CONFIG_NET_TC_SKB_EXT, or use stateless "
            "ACLs (allow-stateless)");
        return true;
    }
    for (size_t i = 0; i < VDPAD_FLOW_OUTPUTS && flow->outputs[i]; i++) {
        const struct vdpad_link *out = vdpad_find_link(world->observed,
                                                       flow->outputs[i]);

        if (out && !(flow->uses & VDPAD_USE_TUNNEL_SET)
            && strcmp(out->kind, "bond") != 0
            && !is_same_switch(dev->rep, out)) {
            vdpad_text(reason, VDPAD_REASON_SIZE, "it outputs to %s, %s",
                       out->name,
                       out->switch_id_len ? "a port of another e-switch"
                                          : "which is no port of an e-switch");
            vdpad_text(remedy, VDPAD_REASON_SIZE,
                       "let the traffic leave through the card instead");
            return true;
        }
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (flow->uses & table[i].uses) {
            vdpad_copy(reason, VDPAD_REASON_SIZE, table[i].reason);
            vdpad_copy(remedy, VDPAD_REASON_SIZE, table[i].remedy);
            return true;
        }
    }
    if (flow->uses & VDPAD_USE_TUNNEL_SET) {
        explain_tunnel(world, dev, flow, reason, remedy);
        return true;
    }
    reason[0] = '\0';
    return false;
}

bool
vdpad_why_is_skip_hw(const struct vdpad_flow_detail *flow)
{
    return flow->tc_flags & VDPAD_TC_SKIP_HW;
}

/* As explain(), of a filter that whoever made it keeps out of hardware:
 * Open vSwitch those of a tc-policy, which it reads when it starts to
 * offload. */
static bool
explain_skip_hw(const struct vdpad_flow_detail *flow,
                char reason[VDPAD_REASON_SIZE], char remedy[VDPAD_REASON_SIZE])
{
    vdpad_text(reason, VDPAD_REASON_SIZE,
               "it is marked skip_hw by %s, so that hardware is not asked",
               flow->has_ufid ? "Open vSwitch, as other_config:tc-policy says"
                              : "another program than Open vSwitch");
    vdpad_text(remedy, VDPAD_REASON_SIZE, "%s",
               flow->has_ufid ? "ovs-vsctl remove Open_vSwitch . other_config "
                                "tc-policy && systemctl restart "
                                "openvswitch-switch"
                              : "stop the program that makes it (see "
                                "foreign-filters)");
    return true;
}

/* What a probe of the very flow 'flow' has told; NULL: none was made. */
static const struct vdpad_why_probe *
find_probe(const struct vdpad_why_flows *flows,
           const struct vdpad_flow_detail *flow)
{
    for (size_t i = 0; i < flows->n_probes; i++) {
        if (!memcmp(&flows->probes[i].at, &flow->pos, sizeof flow->pos)) {
            return &flows->probes[i];
        }
    }
    return NULL;
}

/* Whether the driver says that its table is full. */
static bool
is_full(const struct vdpad_why_probe *probe)
{
    return probe && probe->error == -ENOSPC;
}

/* None of what was looked at is of the device, and not all was. */
static void
too_many(const struct vdpad_why_flows *flows, const struct vdpad_dev *dev,
         struct vdpad_finding *f)
{
    size_t n = 0;
    char word[VDPAD_SHELL_SIZE];

    for (size_t i = 0; i < flows->n; i++) {
        n += flows->sources[i].n;
    }
    vdpad_found(f, UNKNOWN,
                "some that come in at %s are not in hardware, but not among "
                "the first %zu that were looked at",
                dev->rep->name, n);
    vdpad_remedy(f, "ovs-appctl -t ovs-vdpad why %s",
                 vdpad_shell_word(dev->name, word));
}

/* Flower filters that are in software. */
static void
rules(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const struct vdpad_flow_detail *worst;
    const struct vdpad_why_probe *probe;
    char reason[VDPAD_REASON_SIZE], remedy[VDPAD_REASON_SIZE];
    bool is_cut;
    size_t n;

    if (!dev->rep || !vdpad_check_knows_now(in, VDPAD_FLOW, f)) {
        if (!dev->rep) {
            vdpad_skip(f);
        }
        return;
    }
    if (!dev->flow || !dev->flow->sw_flows) {
        vdpad_found(f, OK, "all %u filters on %s are in hardware",
                    dev->flow ? dev->flow->hw_flows : 0, dev->rep->name);
        return;
    }
    if (!in->tc || in->tc->error) {
        vdpad_found(f, UNKNOWN,
                    "%u filters on %s are in software; which is "
                    "not known%s%s",
                    dev->flow->sw_flows, dev->rep->name, in->tc ? ": " : "",
                    in->tc ? in->tc->why.text : "");
        return;
    }
    worst = vdpad_why_worst(in->tc, dev, &n, &is_cut);
    if (!worst && is_cut) {
        too_many(in->tc, dev, f);
        return;
    }
    if (!worst) {
        vdpad_found(f, OK, "filters that were in software have gone from %s",
                    dev->rep->name);
        return;
    }
    probe = find_probe(in->tc, worst);
    if (is_full(probe)) {
        vdpad_skip(f); /* See hw-table. */
        return;
    }
    if (probe && probe->error == -EEXIST) {
        char word[VDPAD_SHELL_SIZE];

        vdpad_found(f, UNKNOWN,
                    "of %zu%s filters on %s that were in software the one "
                    "with most packets is in hardware by now (%.60s)",
                    n, is_cut ? " or more" : "", dev->rep->name, worst->match);
        vdpad_remedy(f, "look again: ovs-appctl -t ovs-vdpad why %s",
                     vdpad_shell_word(dev->name, word));
        return;
    }
    bool is_clear = vdpad_why_is_skip_hw(worst)
                        ? explain_skip_hw(worst, reason, remedy)
                        : explain(in->world, dev, worst, reason, remedy);
    if (probe && vdpad_probe_is_refusal(probe->error)) {
        vdpad_text(reason, sizeof reason, "the driver says: %s", probe->text);
        if (worst->uses & VDPAD_USE_TUNNEL_SET && !is_encap_off(dev)) {
            vdpad_text(remedy, sizeof remedy,
                       "if it does not know this kind of tunnel: another "
                       "firmware, or another kind (with OVN "
                       "external_ids:ovn-encap-type)");
        }
        is_clear = true;
    } else if (probe && !probe->error) {
        vdpad_text(reason, sizeof reason,
                   "the driver would take it by now: Open vSwitch offers it "
                   "again when it is made anew");
        vdpad_text(remedy, sizeof remedy, "ovs-appctl revalidator/purge");
        is_clear = true;
    } else if (!is_clear && probe && probe->error != -ENOENT) {
        vdpad_text(reason, sizeof reason,
                   "nothing shows why, and the driver was not asked: %s",
                   probe->text);
    } else if (!is_clear) {
        vdpad_text(reason, sizeof reason, "nothing shows why");
    }
    vdpad_found(f, worst->sw_packets >= PACKETS_MIN ? FAIL : UNKNOWN,
                "%zu%s filters on %s are in software; one with %" PRIu64
                " packets: %s (%.60s, actions %.60s)",
                n, is_cut ? " or more" : "", dev->rep->name, worst->sw_packets,
                reason, worst->match, worst->actions);
    if (!is_clear) {
        char word[VDPAD_SHELL_SIZE];

        vdpad_remedy(f,
                     "ask the driver: ovs-appctl -t ovs-vdpad why %s "
                     "--probe",
                     vdpad_shell_word(dev->name, word));
    } else {
        vdpad_remedy(f, "%s",
                     remedy[0] ? remedy
                               : "see what the flow is for: ovs-appctl -t "
                                 "ovs-vdpad flow/list");
    }
}

/* Only a probe tells. */
static void
hw_table(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    bool is_cut;
    size_t n;
    const struct vdpad_flow_detail *worst = in->tc
                                                ? vdpad_why_worst(in->tc, dev,
                                                                  &n, &is_cut)
                                                : NULL;
    const struct vdpad_why_probe *probe = worst ? find_probe(in->tc, worst)
                                                : NULL;

    if (!is_full(probe)) {
        vdpad_skip(f);
        return;
    }
    vdpad_found(f, FAIL, "the hardware's table is full: %s", probe->text);
    vdpad_remedy(f, "fewer flows: ovs-vsctl set Open_vSwitch . "
                    "other_config:flow-limit=N, wider matches, or a shorter "
                    "other_config:max-idle");
}

bool
vdpad_why_has_kernel_flows(const struct vdpad_observed *o,
                           const struct vdpad_dev *dev)
{
    const struct vdpad_kflow *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_KFLOW,
                                                         vdpad_kflow);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_KFLOW); i++) {
        if (rows[i].ifindex == dev->rep->ifindex) {
            return rows[i].flows != 0;
        }
    }
    return false;
}

/* Flows that are not in TC at all. */
static void
kernel_flows(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const struct vdpad_flow_detail *worst;
    char reason[VDPAD_REASON_SIZE], remedy[VDPAD_REASON_SIZE];
    bool is_cut;
    size_t n;

    if (!dev->rep
        || (!in->datapath && !vdpad_check_doubts(in, VDPAD_KFLOW)
            && !vdpad_why_has_kernel_flows(in->world->observed, dev))) {
        vdpad_skip(f);
        return;
    }
    if (!in->datapath || in->datapath->error) {
        vdpad_found(f, UNKNOWN,
                    "whether flows of %s are in the kernel datapath is not "
                    "known: %s",
                    dev->rep->name,
                    in->datapath ? in->datapath->why.text
                                 : "generic netlink does not answer");
        vdpad_remedy(f, "ovs-appctl -t ovs-vdpad status tells who holds it "
                        "up");
        return;
    }
    worst = vdpad_why_worst(in->datapath, dev, &n, &is_cut);
    if (!worst && is_cut
        && vdpad_why_has_kernel_flows(in->world->observed, dev)) {
        too_many(in->datapath, dev, f);
        return;
    }
    if (!worst) {
        vdpad_found(f, OK, "no flow of %s is in the kernel datapath",
                    dev->rep->name);
        return;
    }
    bool is_clear = explain(in->world, dev, worst, reason, remedy);
    vdpad_found(f,
                is_clear && worst->sw_packets >= PACKETS_MIN ? FAIL : UNKNOWN,
                "%zu%s flows of %s are in the kernel datapath only; one with "
                "%" PRIu64 " packets: %s (%.60s, actions %.60s)",
                n, is_cut ? " or more" : "", dev->rep->name, worst->sw_packets,
                is_clear ? reason : "nothing shows why", worst->match,
                worst->actions);
    if (is_clear && remedy[0]) {
        vdpad_remedy(f, "%s", remedy);
    } else {
        vdpad_remedy(f, "ovs-appctl -t ovs-vdpad flow/list --class=kernel");
    }
}

const struct vdpad_check vdpad_checks_flows[] = {
    { "rules", rules, 0 },
    { "hw-table", hw_table, 0 },
    { "kernel-flows", kernel_flows, 0 },
    { NULL, NULL, 0 },
};
