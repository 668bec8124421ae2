/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "util.h"

struct vdpad_history {
    uint64_t total; /* Events ever added: serial of the last. */
    struct vdpad_event events[VDPAD_HISTORY_SIZE];
};

struct vdpad_history *
vdpad_history_new(void)
{
    return vdpad_xcalloc(1, sizeof(struct vdpad_history));
}

void
vdpad_history_free(struct vdpad_history *history)
{
    free(history);
}

void
vdpad_history_add(struct vdpad_history *history, const char *object,
                  const char *what, const char *format, ...)
{
    struct vdpad_event *event =
        &history->events[history->total % VDPAD_HISTORY_SIZE];
    char text[sizeof event->text];
    struct timespec now;
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);

    (void) clock_gettime(CLOCK_REALTIME, &now);
    event->serial = ++history->total;
    event->wall_ms = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
    vdpad_text(event->object, sizeof event->object, "%s", object);
    vdpad_text(event->what, sizeof event->what, "%s", what);
    vdpad_text(event->text, sizeof event->text, "%s", text);
}

size_t
vdpad_history_n(const struct vdpad_history *history)
{
    return history->total < VDPAD_HISTORY_SIZE ? (size_t) history->total
                                               : VDPAD_HISTORY_SIZE;
}

const struct vdpad_event *
vdpad_history_get(const struct vdpad_history *history, size_t i)
{
    size_t n = vdpad_history_n(history);

    if (i >= n) {
        return NULL;
    }
    return &history->events[(history->total - n + i) % VDPAD_HISTORY_SIZE];
}
