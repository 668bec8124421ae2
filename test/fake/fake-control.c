/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a fake kernel, and the knobs that are functions. */
#include "fake-private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vdpad/loop.h>

#define MS INT64_C(1000000)

int64_t
fake_now_ns(const struct fake_kernel *k)
{
    return k->clock ? k->clock(k->clock_aux) : vdpad_loop_clock_ns();
}

/* Maps the host of 'path', or a new one in memory. */
static struct sim *
map_sim(const char *path)
{
    int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *map;

    if (path) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
            return NULL;
        }
        if (ftruncate(fd, sizeof(struct sim))) {
            (void) close(fd);
            return NULL;
        }
        flags = MAP_SHARED;
    }
    map = mmap(NULL, sizeof(struct sim), PROT_READ | PROT_WRITE, flags, fd, 0);
    if (fd >= 0) {
        (void) close(fd);
    }
    return map == MAP_FAILED ? NULL : map;
}

struct vdpad_kernel *
fake_kernel_new(struct vdpad_loop *loop, const char *state)
{
    struct fake_kernel *k = calloc(1, sizeof *k);

    assert(k);
    k->up.ops = &fake_kernel_ops;
    k->loop = loop;
    k->sim = map_sim(state);
    if (!k->sim) {
        free(k);
        return NULL;
    }
    if (k->sim->size != sizeof *k->sim) {
        sim_init(k->sim);
    }
    sim_orphan_blocks(k->sim);
    k->knobs.read_deadline_ns = 10000 * MS;
    k->knobs.step_deadline_ns = 30000 * MS;
    k->knobs.slow_deadline_ns = 180000 * MS;
    k->knobs.event_delay_ns = 1 * MS;
    k->knobs.repeat_delay_ns = 3 * MS;
    return &k->up;
}

struct sim *
fake_kernel_sim(struct vdpad_kernel *kernel)
{
    return fake_kernel_cast(kernel)->sim;
}

struct fake_knobs *
fake_kernel_knobs(struct vdpad_kernel *kernel)
{
    return &fake_kernel_cast(kernel)->knobs;
}

void
fake_kernel_poke(struct vdpad_kernel *kernel)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);

    k->sim->now_ns = fake_now_ns(k);
    sim_settle(k->sim);
    fake_collect_changes(k);
}

void
fake_kernel_set_clock(struct vdpad_kernel *kernel,
                      int64_t (*now_ns)(void *aux), void *aux)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);

    k->clock = now_ns;
    k->clock_aux = aux;
}

int
fake_kernel_fault(struct vdpad_kernel *kernel, enum fake_fault fault,
                  int32_t kind, const char *object, unsigned int nth,
                  unsigned int times, int error, const char *text,
                  int64_t delay_ns)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);

    for (struct fake_fault_rule *f = k->faults; f < k->faults + FAKE_FAULTS;
         f++) {
        if (!f->times) {
            memset(f, 0, sizeof *f);
            f->fault = fault;
            f->kind = kind;
            f->nth = nth;
            f->times = times;
            f->error = error;
            f->delay_ns = delay_ns;
            sim_text(f->object, sizeof f->object, "%s", object ? object : "");
            sim_text(f->text, sizeof f->text, "%s", text ? text : "");
            return 0;
        }
    }
    return -ENOSPC;
}

unsigned int
fake_kernel_n_steps(const struct vdpad_kernel *kernel, int32_t kind)
{
    return fake_kernel_cast(kernel)->n_steps[kind];
}

void
fake_kernel_lose_events(struct vdpad_kernel *kernel)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);

    fake_collect_changes(k);
    memset(k->events, 0, sizeof k->events);
    k->stats.overruns++;
    fake_schedule_event(k, FAKE_ALL_CLASSES, true, fake_now_ns(k));
}

void
fake_kernel_fail_observe(struct vdpad_kernel *kernel, enum vdpad_class class_,
                         int error, unsigned int times)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);

    k->observe_faults[class_].error = error;
    k->observe_faults[class_].times = times;
}
