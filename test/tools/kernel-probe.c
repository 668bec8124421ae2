/* SPDX-License-Identifier: Apache-2.0 */
/* Shows what the kernel adapter sees, and has it do single steps.
 *
 *   kernel-probe [-r SECONDS] [-s SECONDS] [COMMAND...]
 *
 * Commands are done one after the other; without any: "observe".
 *   observe [CLASS]          print the picture of CLASS, or all: a row a line
 *   act KIND OBJECT [KEY=VALUE...]
 *                            do a step; keys: word, number, ifindex, mac, mtu,
 *                            max_vqp, force
 *   then KIND OBJECT [KEY=VALUE...]
 *                            one more step of the batch of the "act" before it
 *   query KIND [KEY=VALUE...]
 *                            print single flows, a line each, or what a probe
 *                            says; KIND: tc, datapath, probe; keys: ifindex,
 *                            block, where, limit, pages (how many, behind
 *                            each other), and for a probe parent, chain,
 *                            prio, protocol, handle
 *   events SECONDS           print invalidations
 *   stuck                    print what hangs, and the counters
 *
 * -r and -s set the deadlines of observations and of steps.  Exit status: 0,
 * or 1 if anything failed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/loop.h>
#include <vdpad/netlink-kernel.h>

#define SECOND_NS INT64_C(1000000000)
#define MAX_BATCH 16

struct probe {
    struct vdpad_loop *loop;
    struct vdpad_kernel *kernel;
    int64_t end_ns; /* Of "events"; 0: wait for 'pending'. */
    size_t pending;
    bool print_events;
    int status;
};

static void
print_mac(const char *name, const uint8_t mac[6])
{
    printf(" %s=%02x:%02x:%02x:%02x:%02x:%02x", name, mac[0], mac[1], mac[2],
           mac[3], mac[4], mac[5]);
}

static void
print_module(const void *row)
{
    const struct vdpad_module *r = row;

    printf(" name=%s state=%d", r->name, r->state);
}

static void
print_pci(const void *row)
{
    const struct vdpad_pci *r = row;

    printf(" bdf=%s pf=%s vf_index=%d id=%04x:%04x numvfs=%d totalvfs=%d "
           "autoprobe=%d driver=%s override=%s iommu=%d",
           r->bdf, r->pf, r->vf_index, r->vendor, r->device, r->numvfs,
           r->totalvfs, r->autoprobe, r->driver, r->driver_override,
           r->iommu_group);
}

static void
print_link(const void *row)
{
    const struct vdpad_link *r = row;

    printf(" ifindex=%d name=%s kind=%s mtu=%u flags=0x%x master=%d "
           "carrier=%d",
           r->ifindex, r->name, r->kind, r->mtu, r->flags, r->master,
           r->carrier);
    print_mac("mac", r->mac);
    printf(" switch_id=");
    for (int i = 0; i < r->switch_id_len; i++) {
        printf("%02x", r->switch_id[i]);
    }
    printf(" port_name=%s parent=%s/%s rx_packets=%" PRIu64
           " rx_bytes=%" PRIu64,
           r->port_name, r->parent_bus, r->parent_dev, r->rx_packets,
           r->rx_bytes);
}

static void
print_eswitch(const void *row)
{
    const struct vdpad_eswitch *r = row;

    printf(" handle=%s/%s mode=%d inline=%d encap=%d driver=%s fw=%s", r->bus,
           r->dev, r->mode, r->inline_mode, r->encap_mode, r->driver,
           r->fw_version);
}

static void
print_dlport(const void *row)
{
    const struct vdpad_dlport *r = row;

    printf(" handle=%s/%s/%u flavour=%d controller=%d pf=%d vf=%d sf=%d "
           "external=%d ifindex=%d ifname=%s",
           r->bus, r->dev, r->index, r->flavour, r->controller, r->pf, r->vf,
           r->sf, r->external, r->ifindex, r->ifname);
    if (r->has_hw_addr) {
        print_mac("hw_addr", r->hw_addr);
    }
}

static void
print_mgmtdev(const void *row)
{
    const struct vdpad_mgmtdev *r = row;

    printf(" handle=%s/%s classes=0x%" PRIx64 " features=0x%" PRIx64
           " max_vqs=%u",
           r->bus, r->dev, r->classes, r->features, r->max_vqs);
}

static void
print_vdpa(const void *row)
{
    const struct vdpad_vdpa *r = row;

    printf(" name=%s mgmtdev=%s/%s id=%u vendor=%u max_vqs=%u max_vq_size=%u "
           "config=%d",
           r->name, r->bus, r->dev, r->id, r->vendor, r->max_vqs,
           r->max_vq_size, r->has_config);
    if (r->has_mac) {
        print_mac("mac", r->mac);
    }
    if (r->has_mtu) {
        printf(" mtu=%u", r->mtu);
    }
    if (r->has_max_vqp) {
        printf(" max_vqp=%u", r->max_vqp);
    }
    if (r->has_status) {
        printf(" status=%u", r->status);
    }
    if (r->has_negotiated) {
        printf(" negotiated=0x%" PRIx64, r->negotiated);
    }
}

static void
print_vbus(const void *row)
{
    const struct vdpad_vbus *r = row;

    printf(" name=%s parent=%s driver=%s override=%s chardev=%s virtio=%s "
           "netdev=%s away=%d",
           r->name, r->parent, r->driver, r->driver_override, r->chardev,
           r->virtio, r->netdev, r->netdev_away);
}

static void
print_feature(const void *row)
{
    const struct vdpad_feature *r = row;

    printf(" ifindex=%d name=%s supported=%d active=%d", r->ifindex, r->name,
           r->supported, r->active);
}

static void
print_holder(const void *row)
{
    const struct vdpad_holder *r = row;

    printf(" chardev=%s pid=%d command=%s", r->chardev, r->pid, r->command);
}

static void
print_qdisc(const void *row)
{
    const struct vdpad_qdisc *r = row;

    printf(" ifindex=%d clsact=%d ingress_block=%u egress_block=%u",
           r->ifindex, r->clsact, r->ingress_block, r->egress_block);
}

static void
print_flow(const void *row)
{
    const struct vdpad_flow *r = row;

    printf(" ifindex=%d hw_flows=%u sw_flows=%u hw_packets=%" PRIu64
           " hw_bytes=%" PRIu64 " sw_packets=%" PRIu64 " sw_bytes=%" PRIu64,
           r->ifindex, r->hw_flows, r->sw_flows, r->hw_packets, r->hw_bytes,
           r->sw_packets, r->sw_bytes);
}

static void
print_host(const void *row)
{
    const struct vdpad_host *r = row;

    printf(" name=%s value=%s", r->name, r->value);
}

static void (*const print_row[VDPAD_N_CLASSES])(const void *) = {
    [VDPAD_MODULE] = print_module,   [VDPAD_PCI] = print_pci,
    [VDPAD_LINK] = print_link,       [VDPAD_ESWITCH] = print_eswitch,
    [VDPAD_DLPORT] = print_dlport,   [VDPAD_MGMTDEV] = print_mgmtdev,
    [VDPAD_VDPA] = print_vdpa,       [VDPAD_VBUS] = print_vbus,
    [VDPAD_FEATURE] = print_feature, [VDPAD_HOLDER] = print_holder,
    [VDPAD_QDISC] = print_qdisc,     [VDPAD_FLOW] = print_flow,
    [VDPAD_HOST] = print_host,
};

static void
on_observed(void *probe_, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    struct probe *probe = probe_;

    probe->pending--;
    if (error) {
        probe->status = EXIT_FAILURE;
        printf("%s: error %s: %s\n", vdpad_class_name(class_),
               strerrorname_np(-error), why->text);
        return;
    }
    for (size_t i = 0; i < picture->n; i++) {
        printf("%s:", vdpad_class_name(class_));
        print_row[class_]((const char *) picture->rows
                          + i * picture->row_size);
        putchar('\n');
    }
}

static void
on_done(void *probe_, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    struct probe *probe = probe_;

    probe->pending--;
    printf("%s %s: ", vdpad_act_name((enum vdpad_act_kind) act->kind),
           act->object);
    if (error) {
        probe->status = EXIT_FAILURE;
        printf("error %s: %s\n", strerrorname_np(-error), why->text);
    } else {
        printf("ok\n");
    }
}

static void
on_invalidated(void *probe_, unsigned int mask, bool lost)
{
    const struct probe *probe = probe_;

    if (!probe->print_events) {
        return;
    }
    printf("invalidated%s:", lost ? " (lost)" : "");
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (mask & 1u << i) {
            printf(" %s", vdpad_class_name((enum vdpad_class) i));
        }
    }
    putchar('\n');
    fflush(stdout);
}

static void
on_turn(struct vdpad_loop *loop, void *probe_)
{
    struct probe *probe = probe_;

    probe->kernel->ops->run(probe->kernel);
    if (probe->end_ns ? vdpad_loop_clock_ns() >= probe->end_ns
                      : !probe->pending) {
        vdpad_loop_stop(loop);
        return;
    }
    if (probe->end_ns) {
        vdpad_loop_wake_at(loop, probe->end_ns);
    }
    probe->kernel->ops->wait(probe->kernel);
}

static void
observe(struct probe *probe, const char *name)
{
    bool is_found = false;

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        enum vdpad_class class_ = (enum vdpad_class) i;

        if (name && strcmp(name, vdpad_class_name(class_))) {
            continue;
        }
        is_found = true;
        if (!probe->kernel->ops->observe(probe->kernel, class_, on_observed,
                                         probe)) {
            probe->pending++;
            vdpad_loop_run(probe->loop);
        }
    }
    if (!is_found) {
        printf("%s: no such class\n", name);
        probe->status = EXIT_FAILURE;
    }
}

/* Fills 'act' from words, returns how many it took. */
static int
parse_act(struct vdpad_act *act, int n, char *words[])
{
    int i;

    memset(act, 0, sizeof *act);
    act->kind = VDPAD_ACT_N;
    for (int kind = 0; kind < VDPAD_ACT_N && n > 1; kind++) {
        if (!strcmp(words[0], vdpad_act_name((enum vdpad_act_kind) kind))) {
            act->kind = kind;
        }
    }
    if (n < 2) {
        return n;
    }
    (void) snprintf(act->object, sizeof act->object, "%s", words[1]);
    for (i = 2; i < n && strchr(words[i], '='); i++) {
        const char *value = strchr(words[i], '=') + 1;
        unsigned char *m = act->mac;

        if (!strncmp(words[i], "word=", 5)) {
            (void) snprintf(act->word, sizeof act->word, "%s", value);
        } else if (!strncmp(words[i], "number=", 7)) {
            act->number = atoll(value);
        } else if (!strncmp(words[i], "ifindex=", 8)) {
            act->ifindex = atoi(value);
        } else if (!strncmp(words[i], "mtu=", 4)) {
            act->mtu = (uint16_t) atoi(value);
        } else if (!strncmp(words[i], "max_vqp=", 8)) {
            act->max_vqp = (uint16_t) atoi(value);
        } else if (!strncmp(words[i], "force=", 6)) {
            act->force = atoi(value) != 0;
        } else if (!strncmp(words[i], "mac=", 4)) {
            act->has_mac = sscanf(value, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
                                  &m[0], &m[1], &m[2], &m[3], &m[4], &m[5])
                           == 6;
        }
    }
    return i;
}

/* Does the "act" that begins at words[0] with its "then"s; returns how many
 * words those are. */
static int
submit(struct probe *probe, int n, char *words[])
{
    struct vdpad_act acts[MAX_BATCH];
    size_t n_acts = 0;
    int i = 0;

    do {
        i++;
        i += parse_act(&acts[n_acts++], n - i, words + i);
    } while (i < n && !strcmp(words[i], "then") && n_acts < MAX_BATCH);
    if (probe->kernel->ops->submit(probe->kernel, acts, n_acts, on_done,
                                   probe)) {
        printf("%s: refused\n", i > 1 ? words[1] : "act");
        probe->status = EXIT_FAILURE;
    } else {
        probe->pending += n_acts;
        vdpad_loop_run(probe->loop);
    }
    return i;
}

static void
print_stuck(struct probe *probe)
{
    struct vdpad_kernel_stats stats;
    struct vdpad_stuck stuck[8];
    size_t n = probe->kernel->ops->stuck(probe->kernel, stuck, 8);

    probe->kernel->ops->stats(probe->kernel, &stats);
    printf("stuck: n=%zu requests=%" PRIu64 " timeouts=%" PRIu64
           " interrupted=%" PRIu64 " malformed=%" PRIu64 " overruns=%" PRIu64
           " workers=%zu\n",
           n, stats.requests, stats.timeouts, stats.interrupted,
           stats.malformed, stats.overruns, stats.workers);
    for (size_t i = 0; i < n && i < 8; i++) {
        printf("stuck: pid=%d what=%s\n", stuck[i].pid, stuck[i].what);
    }
}

static void
print_detail(const struct vdpad_flow_detail *f)
{
    const struct vdpad_flow_pos *pos = &f->pos;

    printf("flow: where=%d ifindex=%d block=%u parent=%#x chain=%u prio=%u "
           "protocol=%#x handle=%u ufid=",
           f->where, pos->ifindex, pos->block, pos->parent, pos->chain,
           pos->prio, pos->protocol, pos->handle);
    for (int i = 0; f->has_ufid && i < 16; i++) {
        printf("%02x", f->ufid[i]);
    }
    printf(" flags=%#x in_hw_count=%u uses=%#x outputs=", f->tc_flags,
           f->in_hw_count, f->uses);
    for (int i = 0; i < VDPAD_FLOW_OUTPUTS && f->outputs[i]; i++) {
        printf("%s%d", i ? "," : "", f->outputs[i]);
    }
    printf(" in=%d hw=%" PRIu64 "/%" PRIu64 " sw=%" PRIu64 "/%" PRIu64
           " used=%" PRId64 " age=%" PRId64 "\n    %s\n    %s\n",
           f->ifindex, f->hw_packets, f->hw_bytes, f->sw_packets, f->sw_bytes,
           f->used_ms, f->age_ms, f->match, f->actions);
}

/* A query under way. */
struct query {
    struct probe *probe;
    struct vdpad_flow_query query;
    bool more;
};

static void
on_queried(void *query_, int error, const struct vdpad_flow_detail *flows,
           size_t n, bool more, const struct vdpad_error *why)
{
    struct query *query = query_;

    query->probe->pending--;
    query->more = more && n;
    if (error) {
        printf("query: error %d: %s\n", error, why->text);
        query->probe->status = EXIT_FAILURE;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        print_detail(&flows[i]);
    }
    printf("query: %zu flows%s\n", n, more ? ", more" : "");
    if (n) {
        query->query.has_at = true;
        query->query.at = flows[n - 1].pos;
    }
}

static int
ask(struct probe *probe, int n, char *words[])
{
    struct query query = { .probe = probe };
    struct vdpad_flow_query *q = &query.query;
    unsigned long pages = 1;
    int i = 2, error;

    q->kind = n < 2 || !strcmp(words[1], "tc") ? VDPAD_QUERY_TC
              : !strcmp(words[1], "datapath")  ? VDPAD_QUERY_DATAPATH
                                               : VDPAD_QUERY_PROBE;
    q->has_at = q->kind == VDPAD_QUERY_PROBE;
    for (; i < n && strchr(words[i], '='); i++) {
        const char *value = strchr(words[i], '=') + 1;
        size_t len = (size_t) (value - 1 - words[i]);
        unsigned long number = strtoul(value, NULL, 0);

#define IS(NAME) (len == strlen(NAME) && !strncmp(words[i], NAME, len))
        if (IS("ifindex")) {
            q->ifindex = q->at.ifindex = (int32_t) number;
        } else if (IS("block")) {
            q->block = q->at.block = (uint32_t) number;
        } else if (IS("where")) {
            q->where = (uint32_t) number;
        } else if (IS("limit")) {
            q->limit = (uint32_t) number;
        } else if (IS("pages")) {
            pages = number;
        } else if (IS("parent")) {
            q->at.parent = (uint32_t) number;
        } else if (IS("chain")) {
            q->at.chain = (uint32_t) number;
        } else if (IS("prio")) {
            q->at.prio = (uint16_t) number;
        } else if (IS("protocol")) {
            q->at.protocol = (uint16_t) number;
        } else if (IS("handle")) {
            q->at.handle = (uint32_t) number;
        }
#undef IS
    }
    do {
        error = probe->kernel->ops->query(probe->kernel, q, on_queried,
                                          &query);
        if (error) {
            printf("query: error %d: refused\n", error);
            probe->status = EXIT_FAILURE;
            break;
        }
        probe->pending++;
        vdpad_loop_run(probe->loop);
    } while (query.more && --pages);
    return i;
}

static void
do_commands(struct probe *probe, int n, char *words[])
{
    int i = 0;

    if (!n) {
        observe(probe, NULL);
    }
    while (i < n) {
        if (!strcmp(words[i], "observe")) {
            i++;
            observe(probe, i < n ? words[i] : NULL);
            i++;
        } else if (!strcmp(words[i], "act")) {
            i += submit(probe, n - i, words + i);
        } else if (!strcmp(words[i], "query")) {
            i += ask(probe, n - i, words + i);
        } else if (!strcmp(words[i], "events") && i + 1 < n) {
            probe->print_events = true;
            probe->end_ns = vdpad_loop_clock_ns()
                            + atoi(words[i + 1]) * SECOND_NS;
            vdpad_loop_run(probe->loop);
            probe->end_ns = 0;
            probe->print_events = false;
            i += 2;
        } else if (!strcmp(words[i], "stuck")) {
            print_stuck(probe);
            i++;
        } else {
            printf("%s: no such command\n", words[i++]);
            probe->status = EXIT_FAILURE;
        }
        fflush(stdout);
    }
}

int
main(int argc, char *argv[])
{
    struct vdpad_netlink_options options = { .read_deadline_ns = 0 };
    struct probe probe = { .status = EXIT_SUCCESS };
    struct vdpad_error why;
    int i;

    if (vdpad_worker_is_wanted(argc, argv)) {
        return vdpad_worker_main(argc, argv);
    }
    for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        int64_t ns = atoi(argv[i + 1]) * SECOND_NS;

        if (!strcmp(argv[i], "-r")) {
            options.read_deadline_ns = ns;
        } else {
            options.step_deadline_ns = options.slow_deadline_ns = ns;
        }
    }
    if (vdpad_loop_new(&probe.loop)) {
        fputs("no loop\n", stderr);
        return EXIT_FAILURE;
    }
    if (vdpad_netlink_kernel_new(probe.loop, &options, &probe.kernel, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return EXIT_FAILURE;
    }
    probe.kernel->ops->subscribe(probe.kernel, on_invalidated, &probe);
    vdpad_loop_set_turn(probe.loop, on_turn, &probe);
    do_commands(&probe, argc - i, argv + i);
    probe.kernel->ops->destroy(probe.kernel);
    vdpad_loop_free(probe.loop);
    return probe.status;
}
