/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <inttypes.h>
#include <string.h>

#include "util.h"

const char *
vdpad_verdict_name(enum vdpad_verdict verdict)
{
    static const char *const names[VDPAD_VERDICT_N] = {
        [VDPAD_VERDICT_OFFLOADED] = "offloaded",
        [VDPAD_VERDICT_PARTIAL] = "partial",
        [VDPAD_VERDICT_SOFTWARE] = "software",
        [VDPAD_VERDICT_KERNEL] = "kernel",
        [VDPAD_VERDICT_IDLE] = "idle",
        [VDPAD_VERDICT_BLOCKED] = "blocked",
    };

    return names[verdict];
}

static void
set_verdict(struct vdpad_judge *j, enum vdpad_verdict verdict,
            const char *reason)
{
    j->verdict = verdict;
    vdpad_text(j->reason, sizeof j->reason, "%s", reason);
    j->candidate = VDPAD_VERDICT_N;
    j->agreed = 0;
}

static void
clear_window(struct vdpad_judge *j)
{
    memset(&j->window, 0, sizeof j->window);
    j->has_window = false;
}

void
vdpad_judge_init(struct vdpad_judge *j, int64_t now_ns)
{
    memset(j, 0, sizeof *j);
    set_verdict(j, VDPAD_VERDICT_IDLE, "no packets were seen yet");
    /* The first look may come at once. */
    j->look_ns = now_ns - VDPAD_LOOK_NS;
    j->evident_ns = now_ns;
}

static uint64_t
sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* How many packets came to the host, at least: as if the representor had
 * received those in hardware too.  What takes the slow path is counted by
 * filters in software as well. */
static uint64_t
in_software(const struct vdpad_evidence *e)
{
    return larger(larger(e->slow, e->sw), e->rx > e->hw ? e->rx - e->hw : 0);
}

/* Likewise, at most. */
static uint64_t
in_software_at_most(const struct vdpad_evidence *e)
{
    return larger(larger(e->slow, e->sw), e->rx);
}

void
vdpad_judge_add(struct vdpad_judge *j, const struct vdpad_evidence *e,
                int64_t now_ns)
{
    struct vdpad_evidence *w = &j->window;

    if (j->verdict == VDPAD_VERDICT_IDLE && j->settled
        && now_ns - j->evident_ns >= VDPAD_IDLE_NS) {
        /* A few packets of long ago are no part of what begins now. */
        clear_window(j);
        j->evident_ns = now_ns;
    }
    w->hw = sum(w->hw, e->hw);
    w->sw = sum(w->sw, e->sw);
    w->slow = sum(w->slow, e->slow);
    w->rx = sum(w->rx, e->rx);
    w->hw_flows = e->hw_flows && (w->hw_flows || !j->has_window);
    j->has_window = true;
}

/* 'part' of it and the 'rest', in percent. */
static double
percent(uint64_t part, uint64_t rest)
{
    double all = (double) part + (double) rest;

    return all > 0 ? 100.0 * (double) part / all : 0.0;
}

/* What the window says to somebody who holds 'held'.  Of what is not known
 * the worse is taken to be true. */
static enum vdpad_verdict
classify(const struct vdpad_evidence *w, enum vdpad_verdict held)
{
    bool none = held == VDPAD_VERDICT_SOFTWARE || held == VDPAD_VERDICT_KERNEL;
    uint64_t soft = in_software_at_most(w);
    double hw = percent(w->hw, soft);

    if (hw >= (held == VDPAD_VERDICT_OFFLOADED ? VDPAD_OFFLOADED_KEEP
                                               : VDPAD_OFFLOADED_GET)) {
        return VDPAD_VERDICT_OFFLOADED;
    }
    if (w->hw_flows || hw >= (none ? VDPAD_NO_HW_KEEP : VDPAD_NO_HW_GET)) {
        return VDPAD_VERDICT_PARTIAL;
    }
    return percent(w->sw, soft - w->sw) >= (held == VDPAD_VERDICT_SOFTWARE
                                                ? VDPAD_SOFTWARE_KEEP
                                                : VDPAD_SOFTWARE_GET)
               ? VDPAD_VERDICT_SOFTWARE
               : VDPAD_VERDICT_KERNEL;
}

static void
explain(const struct vdpad_evidence *w, enum vdpad_verdict verdict,
        char reason[VDPAD_VERDICT_REASON])
{
    uint64_t soft = in_software_at_most(w), all = sum(w->hw, soft);
    uint64_t kernel = soft - w->sw;
    size_t size = VDPAD_VERDICT_REASON;

    if (verdict == VDPAD_VERDICT_PARTIAL && soft != in_software(w)) {
        vdpad_text(reason, size,
                   "%.0f %% to %.0f %% of the packets in hardware: it counted "
                   "%" PRIu64 ", the representor received %" PRIu64
                   ", and its driver does not tell (CPU_HIT) whether those "
                   "are among these",
                   percent(w->hw, soft), percent(w->hw, in_software(w)), w->hw,
                   w->rx);
    } else if (verdict == VDPAD_VERDICT_PARTIAL && !w->hw) {
        vdpad_text(reason, size,
                   "flows are in hardware but count no packets, while "
                   "%" PRIu64 " took the slow path",
                   soft);
    } else if (verdict == VDPAD_VERDICT_SOFTWARE
               || verdict == VDPAD_VERDICT_KERNEL) {
        vdpad_text(reason, size,
                   "hardware carries nothing: of %" PRIu64 " packets %" PRIu64
                   " were in TC software, %" PRIu64 " in neither",
                   all, w->sw, kernel);
    } else {
        vdpad_text(reason, size,
                   "%.0f %% of %" PRIu64 " packets in hardware, %" PRIu64
                   " in TC software, %" PRIu64 " in neither",
                   percent(w->hw, soft), all, w->sw, kernel);
    }
}

/* One more look agrees on the candidate. */
static bool
agree(struct vdpad_judge *j)
{
    int needed = j->verdict == VDPAD_VERDICT_IDLE ? VDPAD_AGREE_IDLE
                                                  : VDPAD_AGREE;
    char reason[VDPAD_VERDICT_REASON];

    if (j->candidate == VDPAD_VERDICT_N || ++j->agreed < needed) {
        return false;
    }
    vdpad_copy(reason, sizeof reason, j->candidate_reason);
    set_verdict(j, j->candidate, reason);
    j->settled = true;
    return true;
}

static bool
take_evidence(struct vdpad_judge *j, int64_t now_ns)
{
    enum vdpad_verdict verdict = classify(&j->window, j->verdict);
    char reason[VDPAD_VERDICT_REASON];

    explain(&j->window, verdict, reason);
    clear_window(j);
    j->evident_ns = now_ns;
    if (verdict == j->verdict) {
        set_verdict(j, verdict, reason);
        j->settled = true;
        return false;
    }
    if (verdict != j->candidate) {
        j->candidate = verdict;
        j->agreed = 0;
    }
    vdpad_copy(j->candidate_reason, sizeof j->candidate_reason, reason);
    return agree(j);
}

static bool
is_evident(const struct vdpad_judge *j)
{
    return sum(j->window.hw, in_software(&j->window)) >= VDPAD_EVIDENCE_MIN;
}

static bool
look_at_ready(struct vdpad_judge *j, bool fresh, int64_t now_ns)
{
    bool changed;

    if (now_ns - j->look_ns < VDPAD_LOOK_NS || (!fresh && !is_evident(j))) {
        return false;
    }
    j->look_ns = now_ns;
    if (is_evident(j)) {
        return take_evidence(j, now_ns);
    }
    if (j->candidate != VDPAD_VERDICT_N) {
        /* Nothing contradicts it. */
        return agree(j);
    }
    if (now_ns - j->evident_ns < VDPAD_IDLE_NS) {
        return false;
    }
    changed = j->verdict != VDPAD_VERDICT_IDLE || !j->settled;
    clear_window(j);
    j->evident_ns = now_ns;
    j->settled = true;
    vdpad_text(j->candidate_reason, sizeof j->candidate_reason,
               "fewer than %d packets in the last %d s", VDPAD_EVIDENCE_MIN,
               (int) (VDPAD_IDLE_NS / VDPAD_LOOK_NS));
    set_verdict(j, VDPAD_VERDICT_IDLE, j->candidate_reason);
    return changed;
}

bool
vdpad_judge_look(struct vdpad_judge *j, const char *blocked, bool fresh,
                 int64_t now_ns)
{
    bool changed = false;

    if (blocked) {
        changed = j->verdict != VDPAD_VERDICT_BLOCKED;
        set_verdict(j, VDPAD_VERDICT_BLOCKED, blocked);
        clear_window(j);
        j->settled = true;
    } else if (j->verdict == VDPAD_VERDICT_BLOCKED) {
        /* Begin anew. */
        vdpad_judge_init(j, now_ns);
        j->settled = true;
        changed = true;
    } else {
        changed = look_at_ready(j, fresh, now_ns);
    }
    return changed;
}

int64_t
vdpad_judge_next_ns(const struct vdpad_judge *j)
{
    if (j->verdict == VDPAD_VERDICT_BLOCKED) {
        return INT64_MAX;
    }
    if (j->candidate != VDPAD_VERDICT_N || is_evident(j)) {
        return j->look_ns + VDPAD_LOOK_NS;
    }
    if (j->verdict != VDPAD_VERDICT_IDLE || !j->settled) {
        return j->evident_ns + VDPAD_IDLE_NS;
    }
    return INT64_MAX;
}
