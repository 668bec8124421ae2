/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the tracker of flower filters, which goes on meanwhile.
 *
 *   track-probe
 *
 * For each line on standard input it observes class "flow" and prints a line
 * for each row, and one that begins with "end:": how long it took, what the
 * kernel adapter counted, and how often it was told that "flow" or "qdisc" had
 * changed.  It ends with its input. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vdpad/loop.h>
#include <vdpad/netlink-kernel.h>

#define TRACKED (1u << VDPAD_FLOW | 1u << VDPAD_QDISC)

struct probe {
    struct vdpad_loop *loop;
    struct vdpad_kernel *kernel;
    unsigned int n_asked; /* Lines not answered yet. */
    bool is_busy, has_ended;
    int64_t begin_ns;
    uint64_t n_told, n_lost;
};

static void
print_row(const struct vdpad_flow *f)
{
    printf("flow: ifindex=%" PRId32 " block=%" PRIu32 " epoch=%" PRIu32
           " hw_flows=%" PRIu32 " sw_flows=%" PRIu32 " foreign_flows=%" PRIu32
           " hw_packets=%" PRIu64 " hw_bytes=%" PRIu64 " sw_packets=%" PRIu64
           " sw_bytes=%" PRIu64 " rx_packets=%" PRIu64 " cpu_hit=%" PRId64
           "\n",
           f->ifindex, f->block, f->epoch, f->hw_flows, f->sw_flows,
           f->foreign_flows, f->hw_packets, f->hw_bytes, f->sw_packets,
           f->sw_bytes, f->rx_packets,
           f->has_cpu_hit ? (int64_t) f->cpu_hit_packets : -1);
}

static void
on_observed(void *probe_, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    struct probe *probe = probe_;
    int64_t ns = vdpad_loop_clock_ns() - probe->begin_ns;
    struct vdpad_kernel_stats stats;

    (void) class_;
    for (size_t i = 0; !error && i < picture->n; i++) {
        print_row(&VDPAD_ROWS(picture, vdpad_flow)[i]);
    }
    if (error) {
        fprintf(stderr, "%s\n", why->text);
    }
    probe->kernel->ops->stats(probe->kernel, &stats);
    printf("end: error=%d ns=%" PRId64 " flows=%" PRIu64 " untracked=%" PRIu64
           " repaired=%" PRIu64 " overruns=%" PRIu64 " malformed=%" PRIu64
           " told=%" PRIu64 " lost=%" PRIu64 "\n",
           error, ns, stats.flows, stats.untracked, stats.repaired,
           stats.overruns, stats.malformed, probe->n_told, probe->n_lost);
    fflush(stdout);
    probe->is_busy = false;
    probe->n_asked--;
}

static void
on_invalidated(void *probe_, unsigned int mask, bool lost)
{
    struct probe *probe = probe_;

    if (mask & TRACKED) {
        probe->n_told++;
        probe->n_lost += lost;
    }
}

static void
on_input(struct vdpad_loop *loop, int fd, unsigned int events, void *probe_)
{
    struct probe *probe = probe_;
    char text[64];
    ssize_t n = read(fd, text, sizeof text);

    (void) loop;
    (void) events;
    probe->has_ended |= n <= 0;
    for (ssize_t i = 0; i < n; i++) {
        probe->n_asked += text[i] == '\n';
    }
}

static void
on_turn(struct vdpad_loop *loop, void *probe_)
{
    struct probe *probe = probe_;

    probe->kernel->ops->run(probe->kernel);
    if (probe->n_asked && !probe->is_busy) {
        probe->begin_ns = vdpad_loop_clock_ns();
        probe->is_busy = !probe->kernel->ops->observe(probe->kernel,
                                                      VDPAD_FLOW, on_observed,
                                                      probe);
    }
    if (probe->has_ended && !probe->n_asked) {
        vdpad_loop_stop(loop);
    }
    probe->kernel->ops->wait(probe->kernel);
}

int
main(int argc, char *argv[])
{
    struct probe probe = { .n_asked = 0 };
    struct vdpad_loop_fd *input;
    struct vdpad_error why;

    if (vdpad_worker_is_wanted(argc, argv)) {
        return vdpad_worker_main(argc, argv);
    }
    if (vdpad_loop_new(&probe.loop)) {
        fprintf(stderr, "track-probe: no loop\n");
        return EXIT_FAILURE;
    }
    if (vdpad_netlink_kernel_new(probe.loop, NULL, &probe.kernel, &why)) {
        fprintf(stderr, "track-probe: %s\n", why.text);
        return EXIT_FAILURE;
    }
    probe.kernel->ops->subscribe(probe.kernel, on_invalidated, &probe);
    input = vdpad_loop_add_fd(probe.loop, STDIN_FILENO, VDPAD_LOOP_READ,
                              on_input, &probe);
    vdpad_loop_set_turn(probe.loop, on_turn, &probe);
    vdpad_loop_run(probe.loop);
    vdpad_loop_del_fd(input);
    probe.kernel->ops->destroy(probe.kernel);
    vdpad_loop_free(probe.loop);
    return EXIT_SUCCESS;
}
